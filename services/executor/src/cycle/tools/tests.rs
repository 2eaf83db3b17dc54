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
    let workspace = folder.path().join("site");
    std::fs::create_dir(&workspace).expect("a folder");
    std::fs::write(workspace.join("index.md"), "a.b and aXb\n").expect("it writes");
    let roots = Roots {
        library,
        workspaces: BTreeMap::from([("site".to_owned(), workspace)]),
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
    roots.run(&Tool::List {
        root: String::new(),
        path: path.to_owned(),
        depth,
        after: String::new(),
    })
}

fn search(roots: &Roots, path: &str, pattern: &str, context_lines: u32) -> Result<String, Refused> {
    let (path, pattern) = (path.to_owned(), pattern.to_owned());
    roots.run(&Tool::Search(Search { path, pattern, context_lines, ..Search::default() }))
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
    let part = "first line\nsecond sea\n(lines up to 3 of 4: read again with first_line: 4)";
    assert_eq!(roots.run(&middle).as_deref(), Ok(part));
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
    assert_eq!(hits.lines().count(), HITS_MAX + 1);
    assert!(hits.ends_with("search again with skip: 100)\n"), "{hits}");
    assert_eq!(read(&roots, "", "long.md").expect("it reads").lines().count(), 401);
    assert_eq!(read(&roots, "", "wide.md").expect("it reads").len(), READ_CHARS_MAX);
    assert!(read(&roots, "", "huge.md").is_err());
    for number in 0..300 {
        std::fs::write(library.join(format!("n{number}.md")), "").expect("it writes");
    }
    assert_eq!(list(&roots, "", 1).expect("it lists").lines().count(), NAMES_MAX + 1);
}

#[test]
fn what_does_not_fit_comes_in_pages() {
    let (folder, roots) = library();
    let library = folder.path().join("library");
    for number in 0..250 {
        std::fs::write(library.join(format!("n{number:03}.md")), "sea\n").expect("it writes");
    }
    let page = |after: &str| {
        let (root, path) = (String::new(), String::new());
        roots.run(&Tool::List { root, path, depth: 1, after: after.to_owned() }).expect("it lists")
    };
    let first = page("");
    assert!(first.ends_with("(51 more: list again with after: \"n199.md\")"), "{first}");
    let second = page("n199.md");
    assert_eq!((second.lines().next(), second.lines().count()), (Some("n200.md"), 51));
    let hits = |skip| {
        let asked = Search { pattern: "^sea$".to_owned(), skip, ..Search::default() };
        roots.run(&Tool::Search(asked)).expect("it finds")
    };
    assert!(hits(0).starts_with("n000.md:1:sea\n"));
    assert!(hits(100).starts_with("n100.md:1:sea\n"));
    assert_eq!(hits(200).lines().count(), 50);
    assert_eq!(hits(250), "no further hit");
}

#[test]
fn a_page_of_lines_ends_where_its_characters_do_and_the_next_begins_there() {
    let (folder, roots) = library();
    let lines: Vec<String> = (1..=300).map(|n| format!("{n:03} {}", "x".repeat(96))).collect();
    let file = folder.path().join("library/many.md");
    std::fs::write(file, lines.join("\n")).expect("it writes");
    let page = |first_line| {
        let (root, path) = (String::new(), "many.md".to_owned());
        roots.run(&Tool::Read { root, path, first_line, max_lines: 400 }).expect("it reads")
    };
    let first = page(1);
    assert!(
        first.ends_with("\n(lines up to 158 of 300: read again with first_line: 159)"),
        "{first}"
    );
    assert!(page(159).starts_with("159 "));
    assert!(page(159).ends_with(&lines[299]));
}

#[test]
fn a_text_is_searched_as_it_is_and_a_workspace_like_the_library() {
    let (_folder, roots) = library();
    let find = |pattern: &str, fixed, ignore_case| {
        let (root, pattern) = ("workspace:site".to_owned(), pattern.to_owned());
        let asked = Search { root, pattern, fixed, ignore_case, ..Search::default() };
        roots.run(&Tool::Search(asked)).expect("it searches")
    };
    assert_eq!(find("a.b", true, false), "index.md:1:a.b and aXb\n");
    assert_eq!(find("A.B", true, false), "no hit");
    assert_eq!(find("A.B", true, true), "index.md:1:a.b and aXb\n");
    assert_eq!(find("a.b$", true, false), "no hit");
    assert!(roots.run(&Tool::Where).expect("it tells").contains("workspace:site (read only)"));
    assert!(read(&roots, "workspace:site", "../secret.md").is_err());
    assert_eq!(read(&roots, "workspace:site", "index.md").as_deref(), Ok("a.b and aXb"));
}
