//! From the tree to nodes of the page.

use leptos::prelude::document;
use web_sys::{Document, Element};

use super::tree::Node;

/// Replaces what `place` holds by the tree.
pub(super) fn into_place(place: &Element, nodes: &[Node]) {
    place.replace_children_with_node_0();
    append(&document(), place, nodes);
}

/// The depth is bounded by the tree.
fn append(document: &Document, parent: &Element, nodes: &[Node]) {
    for node in nodes {
        match node {
            Node::Text(text) => {
                // Appending to a node that was made here cannot fail.
                drop(parent.append_child(&document.create_text_node(text)));
            }
            Node::Element { name, attributes, children } => {
                let Ok(element) = document.create_element(name) else { continue };
                for (attribute, value) in attributes {
                    drop(element.set_attribute(attribute, value));
                }
                append(document, &element, children);
                drop(parent.append_child(&element));
            }
        }
    }
}
