//! Sizes are told, largest first, and never fail the build: split where it reads better.
//!
//! `cargo nextest run -p vivarium-tidy --no-capture sizes` shows them.

use vivarium_tidy::{Tree, rust};

#[test]
fn sizes_are_told() {
    let tree = Tree::read();
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for file in tree
        .files("services", "rs")
        .chain(tree.files("panel", "rs"))
        .chain(tree.files("proto", "rs"))
    {
        files.push((file.text.lines().count(), file.path.clone()));
        for function in rust::read(&file.text).functions {
            functions.push((
                function.lines,
                function.parameters,
                format!("{} in {}", function.name, file.path),
            ));
        }
    }
    files.sort_by(|one, other| other.cmp(one));
    functions.sort_by(|one, other| other.cmp(one));
    println!(
        "{} files; the largest (about 300 lines is our budget, rarely above 500):",
        files.len()
    );
    for (lines, path) in files.iter().take(10) {
        println!("  {lines:>5}  {path}");
    }
    println!("{} functions; the longest (about 30 lines, rarely above 70):", functions.len());
    for (lines, _, name) in functions.iter().take(10) {
        println!("  {lines:>5}  {name}");
    }
    let crowded: Vec<_> = functions.iter().filter(|(_, parameters, _)| *parameters > 5).collect();
    println!("{} functions with more than 5 parameters", crowded.len());
    for (_, parameters, name) in crowded {
        println!("  {parameters:>5}  {name}");
    }
    assert!(!files.is_empty(), "the walk found no Rust file");
}
