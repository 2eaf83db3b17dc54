//! The control socket under `mutable/run`: how `down`, `status` and `restart` reach the supervisor.
//!
//! One JSON line each way. Only the world's owner can open it (mode 0600 in a 0700 folder).

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use vivarium_chassis::config::Shared;
use vivarium_chassis::task::Tasks;
use vivarium_chassis::{Service, World};

use super::child::{Children, Report};
use super::signin;
use crate::failure::Failure;

/// Most bytes of a question or an answer.
const LINE_MAX: u64 = 64 * 1024;
/// Time for one question and its answer; a restart is part of it.
const TALK_TIMEOUT: Duration = Duration::from_secs(15);

/// What can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "question")]
pub(crate) enum Question {
    /// How the services are.
    Status,
    /// A new sign-in link.
    Link,
    /// Restart one service.
    Restart {
        /// Its name.
        service: String,
    },
    /// Stop everything.
    Stop,
}

/// What is answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The services.
    pub(crate) services: Vec<Report>,
    /// A sign-in link.
    #[serde(default)]
    pub(crate) link: Option<String>,
    /// What went wrong.
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// Asks the supervisor of a world.
pub(crate) async fn ask(world: &World, question: &Question) -> std::io::Result<Answer> {
    let talk = async {
        let mut stream = UnixStream::connect(path(world)).await?;
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = String::new();
        stream.take(LINE_MAX).read_to_string(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    };
    tokio::time::timeout(TALK_TIMEOUT, talk)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

/// Answers questions until the supervisor ends; `stopped` is cancelled by the word `Stop`.
pub(super) fn serve(
    world: &World,
    shared: &Shared,
    children: Children,
    stopped: CancellationToken,
    tasks: &Tasks,
) -> Result<(), Failure> {
    // The lock says that no other supervisor lives, so a socket that is left over is nobody's.
    remove(world);
    let listener = UnixListener::bind(path(world))?;
    std::fs::set_permissions(path(world), std::fs::Permissions::from_mode(0o600))?;
    let (world, shared, own) = (world.clone(), shared.clone(), tasks.clone());
    tasks.spawn("control socket", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (world, shared) = (world.clone(), shared.clone());
            let (children, stopped) = (children.clone(), stopped.clone());
            own.spawn("control question", async move {
                let talk = talk(stream, &world, &shared, &children, &stopped);
                if let Ok(Err(error)) = tokio::time::timeout(TALK_TIMEOUT, talk).await {
                    tracing::debug!(%error, "a control question was broken off");
                }
            });
        }
    });
    Ok(())
}

/// Takes the socket away.
pub(super) fn remove(world: &World) {
    if let Err(error) = std::fs::remove_file(path(world))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the control socket stays");
    }
}

async fn talk(
    stream: UnixStream,
    world: &World,
    shared: &Shared,
    children: &Children,
    stopped: &CancellationToken,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut asked = String::new();
    BufReader::new(read.take(LINE_MAX)).read_line(&mut asked).await?;
    let mut answer = Answer::default();
    match serde_json::from_str(&asked)? {
        Question::Status => {}
        Question::Link => match signin::link(world, shared) {
            Ok(link) => answer.link = Some(link),
            Err(_) => answer.error = Some("no link could be made".to_owned()),
        },
        Question::Restart { service } => {
            match Service::ALL.into_iter().find(|known| known.name() == service) {
                Some(service) => children.restart(service).await,
                None => answer.error = Some(format!("there is no service {service}")),
            }
        }
        Question::Stop => stopped.cancel(),
    }
    answer.services = children.report();
    write.write_all(&serde_json::to_vec(&answer)?).await?;
    write.shutdown().await
}

fn path(world: &World) -> PathBuf {
    world.run().join("control.sock")
}
