//! The embedded engine as a process: started by the first call, stopped when idle, replaced when it
//! dies, gone with its owner. The process here is a script that points at the scripted model server;
//! the real engine starts by the same words.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use vivarium_chassis::task::Tasks;
use vivarium_chassis::{World, clock};
use vivarium_executor::model::config;
use vivarium_executor::model::embedded::Embedded;
use vivarium_executor::model::{
    CallContext, ChatEvent, ChatRequest, Message, ModelError, Provider as _,
};
use vivarium_harness::model_server::{ModelServer, Reply, Script};
use vivarium_types::Reason;

const MODEL: &str = "tiny";

/// A world with a model and an engine.
struct Stand {
    top: TempDir,
    server: ModelServer,
}

impl Stand {
    /// The engine does `work` once it is started.
    async fn new(work: &str) -> Self {
        crate::install_tls();
        let server = ModelServer::start(Script::always(Reply::text("hello"))).await;
        let stand = Self { top: tempfile::tempdir().expect("a folder"), server };
        let models = stand.mutable("models");
        fs::create_dir_all(&models).expect("a folder");
        fs::write(models.join("tiny.gguf"), "weights").expect("it writes");
        let receipt = "name = \"tiny\"\nfile = \"tiny.gguf\"\nbytes = 7\nsha256 = \"\"\n\
                       licence = \"Apache-2.0\"\nwindow_tokens = 2048\nram_mib_min = 1\n";
        fs::write(models.join("tiny.toml"), receipt).expect("it writes");
        let python = stand.mutable("models-runtime/venv/bin/python");
        fs::create_dir_all(python.parent().expect("a folder")).expect("a folder");
        let work = work.replace("ADDRESS", &format!("http://{}", stand.server.address()));
        fs::write(&python, format!("#!/bin/sh\necho $$ >> starts\n{work}\n")).expect("it writes");
        fs::set_permissions(&python, fs::Permissions::from_mode(0o700)).expect("it is set");
        stand
    }

    /// The engine that works.
    async fn sound() -> Self {
        Self::new("echo READY ADDRESS\ncat > /dev/null").await
    }

    fn mutable(&self, path: &str) -> PathBuf {
        self.top.path().join("mutable").join(path)
    }

    fn embedded(&self, idle: Duration) -> Embedded {
        let settings = config::Embedded { idle, ..config::Embedded::default() };
        Embedded::new(World::at(self.top.path()), settings, Tasks::new(CancellationToken::new()))
    }

    /// The processes that were started so far.
    fn starts(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.mutable("models-runtime/starts")).unwrap_or_default();
        text.lines()
            .map(|line| Pid::from_raw(line.parse().expect("a number")).expect("one"))
            .collect()
    }
}

async fn call(embedded: &Embedded) -> Result<String, ModelError> {
    let request = ChatRequest::new(MODEL, vec![Message::user("hi")], 10);
    let context = CallContext::within(Duration::from_secs(20), CancellationToken::new());
    let mut events = embedded.stream(request, context);
    let mut text = String::new();
    while let Some(event) = events.next().await {
        if let ChatEvent::Delta(piece) = event? {
            text.push_str(&piece);
        }
    }
    Ok(text)
}

/// Waits until a process is gone, at most 10 seconds.
async fn gone(id: Pid) {
    for _ in 0..1_000 {
        if !lives(id) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!lives(id), "the process {id:?} lives");
}

/// Whether a process runs; one that ended and was not yet waited for does not.
fn lives(id: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn the_first_call_starts_the_engine_and_rest_stops_it_until_the_next() {
    let stand = Stand::sound().await;
    let embedded = stand.embedded(Duration::from_millis(200));
    assert_eq!(embedded.look().expect("it is fetched").name, MODEL);
    assert!(stand.starts().is_empty(), "a look starts nothing");
    assert_eq!(call(&embedded).await.as_deref(), Ok("hello"));
    assert_eq!(call(&embedded).await.as_deref(), Ok("hello"));
    assert_eq!(stand.starts().len(), 1);
    gone(stand.starts()[0]).await;
    assert_eq!(embedded.process_id().await, None);
    assert_eq!(call(&embedded).await.as_deref(), Ok("hello"));
    assert_eq!(stand.starts().len(), 2);
}

#[tokio::test]
async fn each_start_has_a_key_of_its_own_that_nobody_else_can_read() {
    let stand = Stand::sound().await;
    let embedded = stand.embedded(Duration::from_mins(1));
    for _ in 0..2 {
        call(&embedded).await.expect("it answers");
        embedded.stop().await;
    }
    let asked = stand.server.asked();
    let file = stand.mutable("models-runtime/key");
    let key = fs::read_to_string(&file).expect("it reads");
    assert_eq!((mode(&file), key.len()), (0o600, 64));
    assert_eq!(asked[1].authorization, format!("Bearer {key}"));
    assert_ne!(asked[0].authorization, asked[1].authorization);
}

#[tokio::test]
async fn an_engine_that_died_is_started_again_by_the_next_call() {
    let stand = Stand::sound().await;
    let embedded = stand.embedded(Duration::from_mins(1));
    call(&embedded).await.expect("it answers");
    kill_process(stand.starts()[0], Signal::KILL).expect("it lives");
    gone(stand.starts()[0]).await;
    assert_eq!(call(&embedded).await.as_deref(), Ok("hello"));
    assert_eq!(stand.starts().len(), 2);
}

#[tokio::test]
async fn an_engine_does_not_outlive_its_owner() {
    let stand = Stand::sound().await;
    let embedded = stand.embedded(Duration::from_mins(1));
    call(&embedded).await.expect("it answers");
    drop(embedded);
    gone(stand.starts()[0]).await;
}

#[tokio::test]
async fn an_engine_that_does_not_start_says_its_last_words_and_is_not_started_in_a_hurry() {
    let stand = Stand::new("echo no such instruction >&2\nexit 3").await;
    let embedded = stand.embedded(Duration::from_mins(1));
    let began = clock::instant();
    for _ in 0..3 {
        let error = call(&embedded).await.expect_err("it ends at once");
        assert_eq!(error.reason(), Reason::ModelEngineFailed);
        assert!(!error.may_have_cost());
        assert!(error.to_string().contains("embedded engine ended"), "{error}");
    }
    // Half a second before the second start, a whole one before the third.
    assert!(began.elapsed() >= Duration::from_millis(1_500), "{:?}", began.elapsed());
    assert_eq!(stand.starts().len(), 3);
}

#[tokio::test]
async fn without_an_engine_or_a_model_a_call_says_what_is_missing() {
    let stand = Stand::sound().await;
    let embedded = stand.embedded(Duration::from_mins(1));
    fs::remove_dir_all(stand.mutable("models-runtime")).expect("it goes");
    let error = call(&embedded).await.expect_err("there is no engine");
    assert_eq!(error.reason(), Reason::ModelEngineMissing);
    fs::remove_dir_all(stand.mutable("models")).expect("it goes");
    let error = call(&embedded).await.expect_err("there is no model");
    assert_eq!(error.reason(), Reason::ModelFileMissing);
}
