//! Who may depend on whom: between crates, and inside a service.

use vivarium_tidy::{Rule, Tree, rust};

use crate::{DOMAIN_SERVICES, allowed};

/// What each crate of ours may depend on; `tests/*` may depend on anything.
const MAY: [(&str, &[&str]); 12] = [
    ("proto", &[]),
    ("services/types", &[]),
    ("services/ledger", &["types", "proto"]),
    ("services/chassis", &["types", "proto"]),
    ("services/sandbox", &["types", "proto"]),
    ("services/queue", &["ledger", "chassis", "types", "proto"]),
    ("services/executor", &["ledger", "chassis", "sandbox", "types", "proto"]),
    ("services/society", &["ledger", "chassis", "types", "proto"]),
    ("services/review", &["ledger", "chassis", "types", "proto"]),
    ("services/gateway", &["chassis", "types", "proto"]),
    ("services/cli", &["ledger", "chassis", "sandbox", "types", "proto"]),
    ("panel", &["types", "proto", "ledger"]),
];

/// What the pure part of a service knows nothing of.
const IMPURE: [&str; 18] = [
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "rusqlite",
    "axum",
    "hyper",
    "reqwest",
    "rand",
    "getrandom",
    "crossbeam_channel",
    "vivarium_chassis",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::time::SystemTime",
    "std::time::Instant",
];

/// The dependencies of a manifest on crates of ours, those for tests apart.
fn ours(manifest: &str) -> (Vec<String>, Vec<String>) {
    let table: toml::Table = manifest.parse().unwrap_or_default();
    let names = |section: &str| {
        let mut tables: Vec<_> =
            table.get(section).and_then(toml::Value::as_table).into_iter().collect();
        let targets = table.get("target").and_then(toml::Value::as_table).into_iter().flatten();
        tables.extend(targets.filter_map(|(_, target)| target.get(section)?.as_table()));
        let keys = tables.into_iter().flat_map(toml::Table::keys);
        keys.filter_map(|name| name.strip_prefix("vivarium-"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    ([names("dependencies"), names("build-dependencies")].concat(), names("dev-dependencies"))
}

#[test]
fn dependencies_point_down() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "a crate depends only on the crates below it (docs/architecture.md, Code map)",
        "services meet only in proto, so that each can be stopped, upgraded and understood alone",
        "move what both need to types, ledger or chassis, or say it by an RPC or an event",
    );
    for (folder, may) in MAY {
        let manifest = tree.text(&format!("{folder}/Cargo.toml")).unwrap_or_default();
        let (needs, for_tests) = ours(manifest);
        for name in needs.iter().filter(|name| !may.contains(&name.as_str())) {
            rule.broken_at(format_args!("{folder}/Cargo.toml: vivarium-{name}"));
        }
        let own = folder.rsplit('/').next().unwrap_or_default();
        for name in for_tests
            .iter()
            .filter(|name| !may.contains(&name.as_str()) && *name != "harness" && *name != own)
        {
            rule.broken_at(format_args!("{folder}/Cargo.toml: vivarium-{name} (for tests)"));
        }
    }
    for folder in tree.crates() {
        let known = MAY.iter().any(|(known, _)| *known == folder) || folder.starts_with("tests/");
        rule.check(known, format_args!("{folder}: a crate this rule does not know; add its row"));
    }
    rule.verdict();
}

#[test]
fn the_panel_takes_only_the_chain_of_the_ledger() {
    let tree = Tree::read();
    let manifest: toml::Table =
        tree.text("panel/Cargo.toml").unwrap_or_default().parse().unwrap_or_default();
    let features = manifest
        .get("dependencies")
        .and_then(|needs| needs.get("vivarium-ledger")?.get("features")?.as_array())
        .map_or(0, Vec::len);
    let mut rule = Rule::new(
        "the panel depends on vivarium-ledger without features",
        "the verifier alone compiles for the browser; the kernel does not, and would be megabytes",
        "write `vivarium-ledger.workspace = true`",
    );
    rule.check(features == 0, "panel/Cargo.toml");
    rule.verdict();
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "every crate has `[lints] workspace = true`",
        "a rule that one crate forgets is a rule nobody can rely on",
        "add the two lines to its Cargo.toml",
    );
    for folder in tree.crates() {
        let path = format!("{folder}/Cargo.toml");
        let manifest: toml::Table =
            tree.text(&path).unwrap_or_default().parse().unwrap_or_default();
        let takes = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        rule.check(takes == Some(true), path);
    }
    rule.verdict();
}

fn is_below(path: &str, root: &str) -> bool {
    path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with("::"))
}

#[test]
fn the_domain_is_pure() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "domain.rs and domain/ know no tokio, tonic, SQL, clock, randomness, files or other rooms; prost only in domain/event",
        "decide and apply are tested, replayed and simulated without a server, a clock or a disk",
        "take the fact as a value of the command or of its context; do the effect in rpc or follow",
    );
    for service in DOMAIN_SERVICES.into_iter().filter(|service| tree.is_built_up(service)) {
        let (front, rooms) = (format!("{service}/src/domain.rs"), format!("{service}/src/domain/"));
        for file in tree
            .files(service, "rs")
            .filter(|file| file.path == front || file.path.starts_with(&rooms))
        {
            let is_event =
                file.path.contains("/domain/event.rs") || file.path.contains("/domain/event/");
            for named in rust::read(&file.text).named.iter().filter(|named| !named.in_tests) {
                let path = named.path.as_str();
                let wire =
                    ["prost", "vivarium_proto", "pb"].iter().any(|root| is_below(path, root));
                let room = ["rpc", "follow", "views", "metrics"]
                    .iter()
                    .any(|room| is_below(path, &format!("crate::{room}")));
                let impure = IMPURE.iter().any(|root| is_below(path, root));
                rule.check(
                    !(impure || room || wire && !is_event),
                    format_args!("{}:{} {path}", file.path, named.line),
                );
            }
        }
    }
    rule.verdict();
}

#[test]
fn wire_types_stop_at_the_door() {
    let tree = Tree::read();
    let exceptions = allowed::read(&tree);
    let mut rule = Rule::new(
        "generated types (`pb::`, `vivarium_proto::`) stand only in rpc, follow and domain/event (each a file and its folder); lib.rs may mount servers",
        "inside lives a domain that cannot hold an invalid value; the wire can change without it",
        "convert in rpc/convert.rs or domain/event.rs and hand on a type of our own",
    );
    for service in DOMAIN_SERVICES.into_iter().filter(|service| tree.is_built_up(service)) {
        let src = format!("{service}/src/");
        for file in tree.files(service, "rs") {
            let Some(room) = file.path.strip_prefix(&src) else { continue };
            let at_the_door =
                ["rpc/", "follow/", "domain/event/"].iter().any(|folder| room.starts_with(folder))
                    || ["rpc.rs", "follow.rs", "domain/event.rs"].contains(&room);
            let mounts = room == "lib.rs";
            if at_the_door || mounts || allowed::allows(&exceptions, "wire", &file.path, "*") {
                continue;
            }
            for named in rust::read(&file.text).named.iter().filter(|named| !named.in_tests) {
                let wire = is_below(&named.path, "pb") || is_below(&named.path, "vivarium_proto");
                rule.check(!wire, format_args!("{}:{} {}", file.path, named.line, named.path));
            }
        }
    }
    rule.verdict();
}

#[test]
fn dependencies_are_read_from_every_section() {
    let manifest = "
[dependencies]
vivarium-types.workspace = true
serde = \"1\"
[target.'cfg(unix)'.dependencies]
vivarium-queue = { workspace = true }
[dev-dependencies]
vivarium-harness.workspace = true
";
    let (needs, for_tests) = ours(manifest);
    assert_eq!((needs, for_tests), (vec!["types".into(), "queue".into()], vec!["harness".into()]));
}
