//! What the tools read, and what they do not.

use std::os::unix::fs::symlink;

use super::*;

fn library() -> (tempfile::TempDir, Roots) {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("library");
    std::fs::create_dir_all(library.join("swarm_docs/deep/deeper")).expect("folders");
    let write = |name: &str, text: &str| {
        std::fs::write(library.join(name), text).expect("it writes");
    };
    write("swarm_docs/guide.md", "# Guide\nfirst line\nsecond sea\nthird line\n");
    write("swarm_docs/deep/deeper/note.md", "the sea is deep\n");
    std::fs::write(folder.path().join("secret.md"), "canary").expect("it writes");
    symlink("../secret.md", library.join("link.md")).expect("a link");
    symlink("..", library.join("up")).expect("a link");
    symlink("swarm_docs/guide.md", library.join("inside.md")).expect("a link");
    let roots = Roots {
        library,
        drafts: BTreeMap::from([("a/b.md".to_owned(), "my draft".to_owned())]),
        receipts: BTreeMap::from([("a1".to_owned(), "long result".to_owned())]),
    };
    (folder, roots)
}

fn read(roots: &Roots, root: &str, path: &str) -> Result<String, Refused> {
    let (root, path) = (root.to_owned(), path.to_owned());
    roots.run(&Tool::Read { root, path, first_line: 1, max_lines: 400 })
}

fn list(roots: &Roots, path: &str, depth: u32) -> Result<String, Refused> {
    roots.run(&Tool::List { root: String::new(), path: path.to_owned(), depth })
}

fn search(roots: &Roots, path: &str, pattern: &str, context_lines: u32) -> Result<String, Refused> {
    let (path, pattern) = (path.to_owned(), pattern.to_owned());
    roots.run(&Tool::Search { root: String::new(), path, pattern, context_lines })
}

#[test]
fn files_drafts_and_receipts_are_read_by_line() {
    let (_folder, roots) = library();
    assert!(read(&roots, "", "swarm_docs/guide.md").expect("it reads").starts_with("# Guide"));
    let middle = Tool::Read {
        root: "library".to_owned(),
        path: "swarm_docs/guide.md".to_owned(),
        first_line: 2,
        max_lines: 2,
    };
    assert_eq!(roots.run(&middle).as_deref(), Ok("first line\nsecond sea"));
    assert_eq!(read(&roots, "draft", "a/b.md").as_deref(), Ok("my draft"));
    assert_eq!(read(&roots, "receipt:a1", "").as_deref(), Ok("long result"));
    assert!(read(&roots, "receipt:a2", "").is_err());
}

#[test]
fn no_path_leads_out_of_the_library() {
    let (folder, roots) = library();
    let absolute = folder.path().join("secret.md");
    for path in [
        "../secret.md",
        "swarm_docs/../../secret.md",
        "link.md",
        "up/secret.md",
        "inside.md",
        absolute.to_str().expect("a plain path"),
        "/proc/self/root/etc/passwd",
        "swarm_docs/guide.md/",
        "swarm_docs",
        "",
        "nothing.md",
        "a\0b",
    ] {
        let refused = read(&roots, "", path).expect_err(path);
        assert_eq!(refused.reason, Reason::ToolPathRefused, "{path}");
        assert!(search(&roots, path, "canary", 0).map_or(true, |found| found == "no hit"));
    }
    assert!(read(&roots, "workspace:x", "y").is_err());
    assert!(list(&roots, "up", 1).is_err());
}

#[test]
fn a_list_shows_names_to_its_depth_and_no_links() {
    let (_folder, roots) = library();
    assert_eq!(list(&roots, "", 1).as_deref(), Ok("swarm_docs/"));
    let all = list(&roots, "", 3).expect("it lists");
    assert_eq!(all, "swarm_docs/\nswarm_docs/deep/\nswarm_docs/deep/deeper/\nswarm_docs/guide.md");
}

#[test]
fn a_search_gives_hits_with_their_context() {
    let (_folder, roots) = library();
    assert_eq!(
        search(&roots, "", "sea", 0).as_deref(),
        Ok("swarm_docs/deep/deeper/note.md:1:the sea is deep\nswarm_docs/guide.md:3:second sea\n")
    );
    let near = search(&roots, "swarm_docs/guide.md", "^second", 1).expect("it finds");
    assert_eq!(near.lines().count(), 3);
    assert_eq!(search(&roots, "", "(", 0).expect_err("no pattern").reason, Reason::ActionInvalid);
    assert!(search(&roots, "", "(?:a{1000}){1000}", 0).is_err());
}

#[test]
fn results_have_an_end() {
    let (folder, roots) = library();
    let library = folder.path().join("library");
    std::fs::write(library.join("long.md"), "sea\n".repeat(10_000)).expect("it writes");
    std::fs::write(library.join("huge.md"), "x".repeat(1_000_001)).expect("it writes");
    std::fs::write(library.join("wide.md"), "y".repeat(20_000)).expect("it writes");
    let hits = search(&roots, "long.md", "sea", 0).expect("it finds");
    assert_eq!(hits.lines().count(), HITS_MAX);
    assert_eq!(read(&roots, "", "long.md").expect("it reads").lines().count(), 400);
    assert_eq!(read(&roots, "", "wide.md").expect("it reads").len(), READ_CHARS_MAX);
    assert!(read(&roots, "", "huge.md").is_err());
    for number in 0..300 {
        std::fs::write(library.join(format!("n{number}.md")), "").expect("it writes");
    }
    assert_eq!(list(&roots, "", 1).expect("it lists").lines().count(), NAMES_MAX);
}
