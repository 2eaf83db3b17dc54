//! What the rules need to know of a Rust file: the paths it uses, which part is tests, its sizes.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A path that a file names, and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Segments joined with `::`, as far as they are written.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// Whether it stands in `#[cfg(test)]`.
    pub in_tests: bool,
}

/// A function and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Lines from its signature to its closing brace.
    pub lines: usize,
    /// Parameters, `self` included.
    pub parameters: usize,
}

/// What was read of one file.
#[derive(Debug, Default)]
pub struct Reading {
    /// Every path in code and in `use`.
    pub named: Vec<Named>,
    /// Every function outside tests.
    pub functions: Vec<Function>,
    /// Every name that the file declares: types, functions, fields, variants, modules.
    pub declared: Vec<Named>,
    /// Every named field of a struct outside tests.
    pub fields: Vec<Named>,
    test_depth: usize,
}

/// Reads a file; a text that is not Rust reads as empty, since the compiler complains about it.
pub fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    if let Ok(file) = syn::parse_file(text) {
        reading.visit_file(&file);
    }
    reading
}

/// The parts of a file that are tests: all of it in a `tests` folder, else its `#[cfg(test)]` items.
pub fn test_text(path: &str, text: &str) -> String {
    if path.contains("/tests/") || path.starts_with("tests/") || path.ends_with("/tests.rs") {
        return text.to_owned();
    }
    let Ok(file) = syn::parse_file(text) else { return String::new() };
    let lines: Vec<_> = text.lines().collect();
    let mut found = String::new();
    for item in file.items.iter().filter(|item| is_test(attributes(item))) {
        let (first, last) = (item.span().start().line, item.span().end().line);
        for line in lines.iter().take(last).skip(first.saturating_sub(1)) {
            found.push_str(line);
            found.push('\n');
        }
    }
    found
}

impl Reading {
    fn named(&mut self, path: String, span: proc_macro2::Span) {
        let in_tests = self.test_depth > 0;
        self.named.push(Named { path, line: span.start().line, in_tests });
    }

    fn declare(&mut self, name: &syn::Ident) {
        let in_tests = self.test_depth > 0;
        let line = name.span().start().line;
        self.declared.push(Named { path: name.to_string(), line, in_tests });
    }

    fn function(&mut self, signature: &syn::Signature, whole: proc_macro2::Span) {
        self.declare(&signature.ident);
        if self.test_depth == 0 {
            self.functions.push(Function {
                name: signature.ident.to_string(),
                lines: whole.end().line - whole.start().line + 1,
                parameters: signature.inputs.len(),
            });
        }
    }

    fn use_tree(&mut self, prefix: &str, tree: &syn::UseTree) {
        let join = |name: &syn::Ident| {
            if prefix.is_empty() { name.to_string() } else { format!("{prefix}::{name}") }
        };
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&join(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.named(join(&name.ident), name.span()),
            syn::UseTree::Rename(name) => self.named(join(&name.ident), name.span()),
            syn::UseTree::Glob(glob) => self.named(prefix.to_owned(), glob.span()),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(prefix, tree);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reading {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "syn's enum grows; other items declare nothing"
    )]
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let deeper = usize::from(is_test(attributes(item)));
        self.test_depth += deeper;
        match item {
            syn::Item::Fn(found) => self.function(&found.sig, found.span()),
            syn::Item::Struct(found) => self.declare(&found.ident),
            syn::Item::Enum(found) => self.declare(&found.ident),
            syn::Item::Trait(found) => self.declare(&found.ident),
            syn::Item::Type(found) => self.declare(&found.ident),
            syn::Item::Mod(found) => self.declare(&found.ident),
            syn::Item::Const(found) => self.declare(&found.ident),
            syn::Item::Static(found) => self.declare(&found.ident),
            _ => {}
        }
        visit::visit_item(self, item);
        self.test_depth -= deeper;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree("", &item.tree);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, item.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.declare(name);
            self.fields.extend(self.declared.last().filter(|field| !field.in_tests).cloned());
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.declare(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.named(segments.join("::"), path.span());
        visit::visit_path(self, path);
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "syn's enum grows; other items hold no tests")]
fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, also inside `all(..)`, and `#[test]` in all its kinds.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let last = attribute.path().segments.last().map(|segment| segment.ident.to_string());
        match last.as_deref() {
            Some("test") => true,
            Some("cfg") => attribute.meta.require_list().is_ok_and(|list| {
                list.tokens
                    .to_string()
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == "test")
            }),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "
use std::{fs, io::Write as _};
use tokio::sync::mpsc;
pub fn one(a: u8, b: u8) -> u8 { pb::Task::default(); a + b }
#[cfg(test)]
mod tests {
    use tonic::Status;
    #[test]
    fn provokes() { check(Reason::QueueFull); }
}
";

    #[test]
    fn paths_are_read_from_groups_code_and_tests_apart() {
        let reading = read(SAMPLE);
        let outside =
            |path: &str| reading.named.iter().any(|named| named.path == path && !named.in_tests);
        assert!(
            ["std::fs", "std::io::Write", "tokio::sync::mpsc", "pb::Task::default"]
                .iter()
                .all(|path| outside(path))
        );
        assert!(!outside("tonic::Status"));
        assert!(reading.named.iter().any(|named| named.path == "tonic::Status" && named.in_tests));
        assert_eq!(reading.functions, [Function { name: "one".into(), lines: 1, parameters: 2 }]);
    }

    #[test]
    fn only_the_tests_of_a_source_file_count_as_tests() {
        let tests = test_text("services/queue/src/rpc.rs", SAMPLE);
        assert!(tests.contains("QueueFull") && !tests.contains("tokio"));
        assert_eq!(test_text("services/queue/tests/rpc.rs", SAMPLE), SAMPLE);
    }
}
