//! S14: a provider's key stands nowhere but in its sealed file and in the executor, and a new one is in
//! use without a restart.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use vivarium_chassis::Service;
use vivarium_harness::answers;
use vivarium_harness::model_server::{Asked, Reply, Script};
use vivarium_harness::process::{Model, World, wait_until};
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::provider_service_client::ProviderServiceClient;

use crate::way::{add, wait_for};

const FIRST: &str = "gsk_firstKEY0123456789abcdefghijklmnop";
const SECOND: &str = "plainSECOND9876543210zyxwvutsrqponmlk";

/// A model that writes the key it was called with into its work, as it is and disguised.
fn leaky(asked: &Asked) -> Reply {
    if answers::asks_for_critique(asked) {
        return answers::critique(4);
    }
    let key = asked.authorization.trim_start_matches("Bearer ");
    let task = answers::task(asked);
    let essay = answers::essay(&task);
    let (base64, hex) = (STANDARD_NO_PAD.encode(key), hex::encode(key));
    answers::document(&task, &format!("{essay}\n\nThe key is {key}, {base64} or {hex}.\n"))
}

fn set(world: &World, key: &str) {
    let request = pb::SetKeyRequest {
        request_id: format!("set-{}", key.len()),
        key: key.to_owned(),
        provider: "scripted".to_owned(),
    };
    let set = world.call(async |peers| {
        let calls = peers.to(Service::Executor).calls();
        ProviderServiceClient::new(calls).set_key(request).await
    });
    set.expect("it is set");
}

/// Simple disguises of a key.
fn forms(key: &str) -> Vec<Vec<u8>> {
    let turned: String = key.chars().rev().collect();
    let inner = |text: String| text.get(2..text.len() - 2).unwrap_or_default().to_owned();
    let forms = [
        key.to_owned(),
        turned,
        hex::encode(key),
        hex::encode_upper(key),
        inner(STANDARD_NO_PAD.encode(key)),
        inner(URL_SAFE_NO_PAD.encode(key)),
    ];
    forms.map(String::into_bytes).into()
}

fn holds(bytes: &[u8], forms: &[Vec<u8>]) -> bool {
    forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
}

/// Files below a folder that hold one of the forms.
fn leaks(root: &Path, forms: &[Vec<u8>]) -> (usize, Vec<String>) {
    let (mut folders, mut looked, mut found) = (vec![root.to_owned()], 0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it lists").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                looked += 1;
                if holds(&bytes, forms) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    (looked, found)
}

#[test]
fn s14_a_key_stands_nowhere_and_a_new_one_is_in_use_without_a_restart() {
    let model = Model::start(Script::answering(leaky));
    let settings = model.settings("remote").replace("key = \"\"", "key = \"scripted\"");
    let world = World::start_with(&[("executor", &settings)]);
    world.ask(&["pace", "0"]);
    let executor = world.pid("executor");
    for (key, instruction) in
        [(FIRST, "Describe the lake in spring"), (SECOND, "Describe the river")]
    {
        set(&world, key);
        let task = add(&world, instruction);
        wait_for(&world, &task, "approved");
        let last = model.asked().pop().expect("it was asked");
        assert_eq!(last.authorization, format!("Bearer {key}"), "the key in use");
    }
    assert_eq!(world.pid("executor"), executor, "nothing was restarted");
    let forms = [forms(FIRST), forms(SECOND)].concat();
    let mut pids: Vec<u32> = world.pids().into_iter().map(|(_, pid)| pid).collect();
    pids.push(world.supervisor());
    for pid in pids {
        for file in ["environ", "cmdline", "status", "maps"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            assert!(!holds(&bytes, &forms), "/proc/{pid}/{file}");
        }
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it reads");
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        let core: Vec<_> = core.expect("it stands there").split_whitespace().collect();
        let is_service = pid != world.supervisor();
        assert!(!is_service || core.contains(&"0"), "{core:?}: no core file of {pid}");
    }
    for told in [vec!["key", "status"], vec!["status"], vec!["tasks"], vec!["doctor"]] {
        let output = world.run(&[&["--json"], told.as_slice()].concat());
        assert!(!holds(&output.stdout, &forms) && !holds(&output.stderr, &forms), "{told:?}");
    }
    let (looked, found) = leaks(world.root(), &forms);
    println!("{looked} files, {} with a key", found.len());
    assert!(looked > 50, "the whole world was looked at");
    assert_eq!(found, [""; 0]);
}

#[test]
fn s14_without_the_redactor_the_same_key_is_found() {
    let model = Model::start(Script::answering(leaky));
    let settings = model.settings("remote").replace("key = \"\"", "key = \"scripted\"");
    let mut world = World::prepared_with(&[("executor", &settings)]).without("Redactor");
    world.up();
    world.ask(&["pace", "0"]);
    set(&world, FIRST);
    add(&world, "Describe the lake in spring");
    // Checks and preflights behind it may refuse the work; what the model said is kept all the same.
    let forms = forms(FIRST);
    wait_until("the key is found", || !leaks(world.root(), &forms).1.is_empty());
}
