//! One noun, one thing: words we do not use, and things that do not belong into the tree.

use vivarium_tidy::{Rule, Tree, rust};

use crate::allowed;

/// A word we do not use, and the ones we do. The glossary says why.
const INSTEAD: [(&str, &str); 5] = [
    ("worker", "resident (the identity) or runner (the slot)"),
    ("agent", "resident"),
    ("bot", "resident"),
    ("job", "task"),
    ("jobs", "tasks"),
];

/// The words of an identifier: `JobQueue` and `job_queue` both give `job`, `queue`.
fn parts(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_'
            || letter.is_uppercase() && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().expect("it starts with one word").extend(letter.to_lowercase());
        }
    }
    words
}

fn instead(word: &str) -> Option<&'static str> {
    INSTEAD
        .iter()
        .find(|(banned, _)| word == *banned || word.strip_suffix('s') == Some(banned))
        .map(|(_, right)| *right)
}

#[test]
fn every_noun_has_one_name() {
    let tree = Tree::read();
    let exceptions = allowed::read(&tree);
    let mut rule = Rule::new(
        "names in code and contract, and our papers, use the words of docs/glossary.md",
        "two words for one thing make a reader look for the difference",
        "use the word named here, or allow it with a reason in tests/tidy/allowed.txt",
    );
    let mut look = |path: &str, line: usize, name: &str, words: Vec<String>| {
        for word in words {
            if let Some(right) =
                instead(&word).filter(|_| !allowed::allows(&exceptions, "word", path, &word))
            {
                rule.broken_at(format_args!("{path}:{line} {name}: say {right}"));
            }
        }
    };
    for root in ["services", "panel", "proto/src", "tests"] {
        for file in tree.files(root, "rs") {
            for named in rust::read(&file.text).declared {
                look(&file.path, named.line, &named.path, parts(&named.path));
            }
        }
    }
    for file in tree.files("proto", "proto") {
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for name in code.split(|c: char| !c.is_alphanumeric() && c != '_') {
                look(&file.path, number + 1, name, parts(name));
            }
        }
    }
    for file in tree
        .files("docs", "md")
        .chain(tree.files("services", "md"))
        .chain(tree.files("world", "md"))
    {
        for (number, line) in file.text.lines().enumerate() {
            for word in line.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase) {
                look(&file.path, number + 1, &word.clone(), vec![word]);
            }
        }
    }
    rule.verdict();
}

/// Whether `line` has a path that begins with `home`, and not one that merely contains it.
fn names_a_place_in(line: &str, home: &str) -> bool {
    let inside =
        |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "._-*}$".contains(c));
    let mut before = String::new();
    line.split_inclusive(home).any(|piece| {
        before.push_str(piece);
        before.strip_suffix(home).is_some_and(|before| !inside(before))
    })
}

#[test]
fn no_path_of_one_machine_is_in_the_tree() {
    let tree = Tree::read();
    let homes = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
    ];
    let mut rule = Rule::new(
        "no absolute path of a home folder or of a checkout",
        "it is wrong on every other machine",
        "take the path from an argument, the environment, or the place of the program",
    );
    for file in tree.all("") {
        for (number, line) in file.text.lines().enumerate() {
            let found = homes.iter().find(|home| names_a_place_in(line, home));
            rule.check(found.is_none(), format_args!("{}:{}", file.path, number + 1));
        }
    }
    rule.verdict();
}

/// Whether a line is a comment that begins with a reminder but names no issue.
fn is_forgotten(line: &str) -> bool {
    let line = line.trim_start();
    let Some(comment) = ["///", "//!", "//", "#", "<!--", "/*", "--"]
        .iter()
        .find_map(|mark| line.strip_prefix(mark))
    else {
        return false;
    };
    let reminder =
        ["TODO", "FIXME", "XXX", "HACK"].iter().any(|word| comment.trim_start().starts_with(word));
    let mut after = comment.split('#').skip(1);
    reminder && !after.any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[test]
fn every_reminder_names_its_issue() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "a reminder in a comment names an issue: `TODO(#12): …`",
        "a reminder without a place in the plan is never done",
        "open an issue and name it, or do the thing",
    );
    for file in tree.all("") {
        for (number, line) in file.text.lines().enumerate() {
            rule.check(!is_forgotten(line), format_args!("{}:{}", file.path, number + 1));
        }
    }
    rule.verdict();
}

#[test]
fn the_tree_speaks_of_the_project_alone() {
    let tree = Tree::read();
    let strange = [
        concat!("as an", " ai"),
        concat!("ai-gen", "erated"),
        concat!("coding assis", "tant"),
        concat!("co-auth", "ored-by"),
    ];
    let mut rule = Rule::new(
        "files speak of the project, not of who wrote them or with which tools",
        "the reader wants to know what is and why",
        "say what the thing does",
    );
    for file in tree.all("") {
        for (number, line) in file.text.lines().enumerate() {
            let line = line.to_lowercase();
            rule.check(
                !strange.iter().any(|word| line.contains(word)),
                format_args!("{}:{}", file.path, number + 1),
            );
        }
    }
    rule.verdict();
}

#[test]
fn words_are_found_inside_names() {
    assert_eq!(parts("JobQueue"), ["job", "queue"]);
    assert_eq!(parts("spawn_workers"), ["spawn", "workers"]);
    assert!(
        instead("workers").is_some() && instead("robot").is_none() && instead("task").is_none()
    );
}

#[test]
fn a_reminder_without_an_issue_is_noticed() {
    assert!(is_forgotten("    // TODO: later"));
    assert!(!is_forgotten("    // TODO(#12): later"));
    assert!(!is_forgotten("let check = \"TODO\"; // finds TODO in a document"));
}

#[test]
fn a_path_of_a_machine_is_told_from_one_that_contains_its_name() {
    let home = concat!("/ho", "me/");
    assert!(names_a_place_in(&format!("in {home}ana/x"), home));
    assert!(!names_a_place_in(&format!("a/b{home}x"), home) && !names_a_place_in("at home", home));
}
