//! A service as a process: what it prints, what it obeys, how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use vivarium_chassis::clock::instant;
use vivarium_chassis::identity::{Name, Service};

use crate::stand::{Stand, wait_until};

/// The example of this crate, built by `cargo test` beside the tests.
fn bare() -> Command {
    let mut path = std::env::current_exe().expect("a test has a path");
    path.pop();
    path.set_file_name("examples");
    let mut command = Command::new(path.join("bare"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn started(stand: &Stand) -> (Child, SocketAddr) {
    let mut child = bare()
        .args(["--listen", "127.0.0.1:0", "--world"])
        .arg(stand.world.root())
        .spawn()
        .expect("`cargo test` built the example");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    stdout.read_line(&mut line).expect("it says that it is ready");
    let address = line.trim().strip_prefix("ready ").and_then(|text| text.parse().ok());
    (child, address.expect("with its address"))
}

/// The exit code of a child that was told to end, which it does within five seconds.
async fn ended(mut child: Child) -> Option<i32> {
    let begun = instant();
    let mut status = None;
    wait_until("it has ended", async || {
        status = child.try_wait().expect("it can be waited for");
        status.is_some()
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(5), "it drains in time");
    status.and_then(|status| status.code())
}

fn run(stand: &Stand, arguments: &[&str], variable: Option<(&str, &str)>) -> Output {
    let mut command = bare();
    command.arg("--world").arg(stand.world.root()).args(arguments).envs(variable);
    command.output().expect("it runs")
}

#[tokio::test]
async fn a_process_serves_reloads_and_ends_with_its_control_pipe() {
    let mut stand = Stand::new();
    let (mut child, address) = started(&stand);
    stand.shared.addresses.queue = address;
    let review = stand.holder(&Name::Service(Service::Review));
    let check = async |stand: &Stand| {
        let mut health = stand.peers(&review).to(Service::Queue).health();
        health.check(tonic_health::pb::HealthCheckRequest::default()).await
    };
    check(&stand).await.expect("it is healthy");
    stand.ca.issue(&Name::Service(Service::Queue)).expect("it issues");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"reload\nnonsense\n").expect("it is written");
    check(&stand).await.expect("it still is");
    drop(stdin);
    assert_eq!(ended(child).await, Some(0));
    check(&stand).await.expect_err("nobody is there");
}

#[tokio::test]
async fn the_word_drain_ends_a_process() {
    let stand = Stand::new();
    let (mut child, _) = started(&stand);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"drain\n").expect("it is written");
    assert_eq!(ended(child).await, Some(0));
}

#[tokio::test]
async fn a_refused_setting_ends_a_process_before_it_listens() {
    let stand = Stand::new();
    let refused = run(&stand, &[], Some(("VIVARIUM_QUEUE__GREETNG", "hi")));
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).expect("it is text");
    assert!(told.contains("there is no setting greetng; the nearest is greeting"), "{told}");
    assert!(told.contains("CONFIG_KEY_UNKNOWN"), "{told}");
    let refused = run(&stand, &["--listen", "0.0.0.0:0"], None);
    assert_eq!(refused.status.code(), Some(1));
    let usage = run(&stand, &["--what"], None);
    assert_eq!(usage.status.code(), Some(2));
}

#[tokio::test]
async fn effective_settings_are_printed_without_secrets() {
    let stand = Stand::new();
    let printed = run(&stand, &["--print-config"], Some(("VIVARIUM_QUEUE__KEY", "gsk_hidden")));
    assert_eq!(printed.status.code(), Some(0));
    let text = String::from_utf8(printed.stdout).expect("it is text");
    assert!(text.contains("greeting = \"hello\"") && text.contains("key = \"[secret]\""), "{text}");
    assert!(text.contains("[limits]") && !text.contains("hidden"));
}

#[tokio::test]
async fn a_process_without_an_identity_says_who_writes_it() {
    let stand = Stand::new();
    std::fs::remove_dir_all(stand.world.identity(&Name::Service(Service::Queue))).expect("it goes");
    let failed = run(&stand, &["--listen", "127.0.0.1:0"], None);
    assert_eq!(failed.status.code(), Some(70));
    let told = String::from_utf8(failed.stderr).expect("it is text");
    assert!(told.contains("cannot load the identity"), "{told}");
}

#[tokio::test]
async fn a_process_keeps_its_memory_to_itself() {
    let stand = Stand::new();
    let (mut child, _) = started(&stand);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("it reads");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    drop(child.stdin.take());
    let mut told = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut told).expect("it reads");
    assert_eq!(ended(child).await, Some(0));
    assert!(!told.contains("ERROR") && !told.contains("WARN"), "{told}");
}
