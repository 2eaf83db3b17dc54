//! From Markdown to a tree of a few known elements. Pure.
//!
//! HTML in the text becomes text. Links keep only schemes that lead to a page or a mailbox; images
//! become words, because a document may not make a reader's browser fetch anything.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Elements inside one another; deeper ones are flattened into their parent.
const DEPTH_MAX: usize = 24;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Text.
    Text(String),
    /// An element with known attributes.
    Element {
        /// Its name.
        name: &'static str,
        /// Its attributes.
        attributes: Vec<(&'static str, String)>,
        /// What is inside.
        children: Vec<Self>,
    },
}

/// An element that is not closed yet. Without a name its children go to its parent.
struct Open {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

struct Reader<'a> {
    path: &'a str,
    open: Vec<Open>,
    in_head: bool,
}

/// Reads a text that lies at `path` of the library.
pub(super) fn read(text: &str, path: &str) -> Vec<Node> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let root = Open { name: "", attributes: Vec::new(), children: Vec::new() };
    let mut reader = Reader { path, open: vec![root], in_head: false };
    for event in Parser::new_ext(text, options) {
        reader.take(event);
    }
    while reader.open.len() > 1 {
        reader.close();
    }
    reader.open.pop().map(|root| root.children).unwrap_or_default()
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(TagEnd::TableHead) => {
                self.close();
                self.close();
                self.in_head = false;
            }
            Event::End(_) => self.close(),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.add(Node::Text(text.into_string())),
            Event::Code(text) => {
                let children = vec![Node::Text(text.into_string())];
                self.add(Node::Element { name: "code", attributes: Vec::new(), children });
            }
            Event::SoftBreak => self.add(Node::Text("\n".to_owned())),
            Event::HardBreak => self.leaf("br", Vec::new()),
            Event::Rule => self.leaf("hr", Vec::new()),
            Event::TaskListMarker(done) => {
                let mark = if done { "\u{2611} " } else { "\u{2610} " };
                self.add(Node::Text(mark.to_owned()));
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let plain = |name| (name, Vec::new());
        let (name, attributes) = match tag {
            Tag::Paragraph | Tag::HtmlBlock => plain("p"),
            Tag::Heading { level, .. } => plain(heading(level)),
            Tag::BlockQuote(_) => plain("blockquote"),
            Tag::CodeBlock(kind) => ("pre", language(&kind)),
            Tag::List(None) => plain("ul"),
            Tag::List(Some(first)) => ("ol", vec![("start", first.to_string())]),
            Tag::Item => plain("li"),
            Tag::Table(_) => plain("table"),
            Tag::TableHead => {
                self.open("thead", Vec::new());
                self.in_head = true;
                plain("tr")
            }
            Tag::TableRow => plain("tr"),
            Tag::TableCell => plain(if self.in_head { "th" } else { "td" }),
            Tag::Emphasis => plain("em"),
            Tag::Strong => plain("strong"),
            Tag::Strikethrough => plain("del"),
            Tag::Subscript => plain("sub"),
            Tag::Superscript => plain("sup"),
            Tag::Link { dest_url, .. } => match address(&dest_url, self.path) {
                Some(attributes) => ("a", attributes),
                None => plain("span"),
            },
            Tag::Image { .. } => ("span", vec![("class", "prose-image".to_owned())]),
            Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::FootnoteDefinition(_)
            | Tag::MetadataBlock(_) => plain("div"),
        };
        self.open(name, attributes);
    }

    fn open(&mut self, name: &'static str, attributes: Vec<(&'static str, String)>) {
        let name = if self.open.len() >= DEPTH_MAX { "" } else { name };
        self.open.push(Open { name, attributes, children: Vec::new() });
    }

    fn close(&mut self) {
        if self.open.len() < 2 {
            return;
        }
        let Some(Open { name, attributes, children }) = self.open.pop() else { return };
        if name.is_empty() {
            for child in children {
                self.add(child);
            }
        } else {
            self.add(Node::Element { name, attributes, children });
        }
    }

    fn leaf(&mut self, name: &'static str, attributes: Vec<(&'static str, String)>) {
        self.add(Node::Element { name, attributes, children: Vec::new() });
    }

    fn add(&mut self, node: Node) {
        if let Some(parent) = self.open.last_mut() {
            parent.children.push(node);
        }
    }
}

/// One level below the page's own title.
const fn heading(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "h2",
        HeadingLevel::H2 => "h3",
        HeadingLevel::H3 => "h4",
        HeadingLevel::H4 => "h5",
        HeadingLevel::H5 | HeadingLevel::H6 => "h6",
    }
}

fn language(kind: &CodeBlockKind<'_>) -> Vec<(&'static str, String)> {
    match kind {
        CodeBlockKind::Fenced(name) if !name.is_empty() => {
            vec![("data-language", name.chars().take(24).collect())]
        }
        CodeBlockKind::Fenced(_) | CodeBlockKind::Indented => Vec::new(),
    }
}

/// The attributes of a link that may be followed.
fn address(url: &str, path: &str) -> Option<Vec<(&'static str, String)>> {
    // Browsers drop control characters and spaces before they look at the scheme.
    let bare: String = url.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    match bare.split_once(':') {
        Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => {
            let known = ["http", "https", "mailto"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
            known.then(|| {
                vec![
                    ("href", bare.clone()),
                    ("target", "_blank".to_owned()),
                    ("rel", "noopener noreferrer nofollow".to_owned()),
                ]
            })
        }
        _ => {
            within_library(&bare, path).map(|path| vec![("href", format!("/world/library/{path}"))])
        }
    }
}

/// Where a relative link leads inside the library. None: it leaves the library or names no document.
fn within_library(link: &str, path: &str) -> Option<String> {
    let link = link.split(['#', '?']).next().unwrap_or_default();
    let document =
        std::path::Path::new(link).extension().is_some_and(|kind| kind.eq_ignore_ascii_case("md"));
    if !document || link.starts_with('/') || link.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in a form that is easy to compare.
    fn flat(nodes: &[Node]) -> String {
        let one = |node: &Node| match node {
            Node::Text(text) => text.clone(),
            Node::Element { name, attributes, children } => {
                let attributes = attributes.iter().map(|(key, value)| format!(" {key}={value}"));
                let attributes = attributes.collect::<Vec<_>>().concat();
                format!("[{name}{attributes}|{}]", flat(children))
            }
        };
        nodes.iter().map(one).collect()
    }

    fn shown(text: &str) -> String {
        flat(&read(text, "community_library/swarm_docs/guide.md"))
    }

    #[test]
    fn html_in_a_text_is_text() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<style>body{display:none}</style>",
            "<iframe srcdoc='x'></iframe>",
        ] {
            let tree = read(text, "x.md");
            assert!(!names(&tree).iter().any(|n| ["script", "img", "style", "iframe"].contains(n)));
            assert_eq!(words(&tree).trim(), text);
        }
    }

    fn names(nodes: &[Node]) -> Vec<&'static str> {
        nodes
            .iter()
            .flat_map(|node| match node {
                Node::Text(_) => Vec::new(),
                Node::Element { name, children, .. } => {
                    let mut all = names(children);
                    all.push(name);
                    all
                }
            })
            .collect()
    }

    fn words(nodes: &[Node]) -> String {
        let one = |node: &Node| match node {
            Node::Text(text) => text.clone(),
            Node::Element { children, .. } => words(children),
        };
        nodes.iter().map(one).collect()
    }

    #[test]
    fn only_links_that_lead_to_a_page_or_a_mailbox_are_links() {
        for url in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "//evil.example/x.md",
            "/tasks",
            "../../../../x.md",
        ] {
            assert_eq!(address(url, "a/b/c.md"), None, "{url}");
        }
        for url in ["https://example.org/a", "HTTP://example.org", "mailto:a@example.org"] {
            assert!(address(url, "a/b/c.md").is_some(), "{url}");
        }
    }

    #[test]
    fn a_relative_link_leads_to_its_document() {
        assert_eq!(
            shown("[next](../notes/two.md#top)"),
            "[p|[a href=/world/library/community_library/notes/two.md|next]]"
        );
        assert_eq!(shown("[here](#top)"), "[p|[span|here]]");
    }

    #[test]
    fn a_document_keeps_its_form() {
        assert_eq!(shown("# One\n\n1. a\n2. `b`"), "[h2|One][ol start=1|[li|a][li|[code|b]]]");
        assert_eq!(
            shown("| a | b |\n|---|---|\n| 1 | 2 |"),
            "[table|[thead|[tr|[th|a][th|b]]][tr|[td|1][td|2]]]"
        );
        assert_eq!(shown("```sh\nls\n```"), "[pre data-language=sh|ls\n]");
        assert_eq!(shown("![a cat](https://x/y.png)"), "[p|[span class=prose-image|a cat]]");
        assert_eq!(shown("- [x] done"), "[ul|[li|\u{2611} done]]");
    }

    #[test]
    fn depth_is_bounded() {
        let depth = |nodes: &[Node]| {
            fn of(nodes: &[Node]) -> usize {
                nodes
                    .iter()
                    .map(|node| match node {
                        Node::Text(_) => 1,
                        Node::Element { children, .. } => 1 + of(children),
                    })
                    .max()
                    .unwrap_or(0)
            }
            of(nodes)
        };
        let tree = read(&format!("{} deep", ">".repeat(5_000)), "x.md");
        assert!(depth(&tree) <= DEPTH_MAX + 1);
        assert_eq!(words(&tree), "deep");
    }
}
