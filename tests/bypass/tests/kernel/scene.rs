//! The scene of one attack: files, listeners, a victim; and what the test sees of them afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use tempfile::TempDir;
use vivarium_bypass::stand::Stand;

use crate::ground::{Ground, is_root, open_to_all};
use crate::ipc::Shared;
use crate::wait::until;

/// What a killed tree has to be gone.
pub(crate) const GONE: Duration = Duration::from_secs(2);
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Everything an attack may aim at.
#[derive(Debug)]
pub(crate) struct Scene {
    /// As an attacker without a sandbox is told of it.
    pub(crate) stand: Stand,
    folder: TempDir,
    listeners: Listeners,
    victim: Child,
    shared: Shared,
    leaked: Leaked,
    before: String,
    /// How long the victim may take to notice.
    pub(crate) moment: Duration,
}

#[derive(Debug)]
struct Listeners {
    tcp: TcpListener,
    udp: UdpSocket,
    path: UnixListener,
    hidden: UnixListener,
}

/// What a careless parent leaves open.
#[derive(Debug)]
struct Leaked {
    _file: OwnedFd,
    _folder: OwnedFd,
    _socket: OwnedFd,
    peer: UnixStream,
    place: PathBuf,
}

/// A word that nothing else has, already in its first eight letters.
pub(crate) fn token() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:05x}{number:03x}-secret", std::process::id() & 0xf_ffff)
}

impl Scene {
    /// Makes a scene whose victim is this user.
    pub(crate) fn make(ground: &Ground, user: u32) -> Self {
        let token = token();
        let folder = tempfile::Builder::new().tempdir_in(ground.folder.path()).unwrap();
        let path = folder.path();
        fill(path, &token, user);
        let (listeners, hidden) = Listeners::make(path, &token);
        let (leaked, numbers) = Leaked::make(path, &token);
        let shared = Shared::make(&format!("memory {token}"));
        let (victim, places) = victim(ground, user, &token, &path.join("canary"));
        let stand = Stand {
            own: ground.attacker.to_string_lossy().into_owned(),
            tcp: listeners.tcp.local_addr().unwrap().port(),
            udp: listeners.udp.local_addr().unwrap().port(),
            hidden,
            victim: i32::try_from(victim.id()).unwrap(),
            secret: places[0],
            watched: places[1],
            opened: i32::try_from(places[2]).unwrap(),
            leaked_file: numbers[0],
            leaked_folder: numbers[1],
            leaked_socket: numbers[2],
            memory: shared.memory,
            queue: shared.queue,
            semaphore: shared.semaphore,
            token,
            ..named(path)
        };
        let mut made = Self {
            stand,
            folder,
            listeners,
            victim,
            shared,
            leaked,
            before: String::new(),
            moment: Duration::ZERO,
        };
        made.before = made.picture();
        made
    }

    /// The library's folder.
    pub(crate) fn library(&self) -> PathBuf {
        self.folder.path().join("library")
    }

    /// As an attacker within the sandbox finds it.
    pub(crate) fn inside(&self) -> Stand {
        Stand {
            library: "/library".to_owned(),
            scratch: "/tmp".to_owned(),
            own: "/run/program".to_owned(),
            ..self.stand.clone()
        }
    }

    /// What was changed or learned, in words; nothing: the attack gained nothing that can be seen.
    pub(crate) fn seen(&mut self, output: &str, lasting: Duration) -> Option<String> {
        let all = [
            (output.contains(&self.stand.token), "a secret is in the output"),
            (self.listeners.was_reached(), "a listener was reached"),
            (self.shared.was_touched(), "what processes share was changed"),
            (self.leaked.was_used(&self.stand.token), "what was left open was used"),
            (self.left_file(), "a file was left where all may write"),
            (self.is_disturbed(), "the victim was disturbed"),
            (self.picture() != self.before, "something outside has changed"),
            (!self.is_alone(lasting), "a process is left"),
        ];
        all.into_iter().find(|(is_so, _)| *is_so).map(|(_, what)| what.to_owned())
    }

    /// Whether the victim has ended; it may take a moment to notice what was done to it.
    fn is_disturbed(&mut self) -> bool {
        let victim = rustix::process::Pid::from_raw(self.stand.victim).unwrap();
        let ended = || {
            let how = rustix::process::WaitIdOptions::EXITED
                | rustix::process::WaitIdOptions::NOHANG
                | rustix::process::WaitIdOptions::NOWAIT;
            let id = rustix::process::WaitId::Pid(victim);
            !matches!(rustix::process::waitid(id, how), Ok(None))
        };
        until(self.moment, ended)
    }

    fn left_file(&self) -> bool {
        let places = [
            format!("/dev/shm/{}", self.stand.token),
            format!("/var/tmp/left-{}", self.stand.token),
        ];
        // All are removed, so no short cut.
        places.iter().filter(|place| fs::remove_file(place).is_ok()).count() > 0
    }

    /// Whether nobody but the victim carries this scene's word, at the latest after a while.
    fn is_alone(&self, lasting: Duration) -> bool {
        until(lasting, || marked(&self.stand.token).iter().all(|id| *id == self.stand.victim))
    }

    /// All that an attack could change outside, as one text.
    fn picture(&self) -> String {
        let mut parts = BTreeMap::new();
        let path = self.folder.path();
        for folder in
            [path.to_owned(), path.join("library"), path.join("empty"), path.join("leaked")]
        {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_name() != "scratch" {
                    parts.insert(entry.path(), picture_of(&entry.path()));
                }
            }
        }
        format!("{parts:?} {}", state(self.stand.victim))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.victim.kill());
        drop(self.victim.wait());
    }
}

/// What of a stand is a path.
fn named(path: &Path) -> Stand {
    let name = |name: &str| path.join(name).to_string_lossy().into_owned();
    Stand {
        folder: path.to_string_lossy().into_owned(),
        canary: name("canary"),
        target: name("target"),
        library: name("library"),
        scratch: name("scratch"),
        unix: name("socket"),
        ..Stand::default()
    }
}

/// The processes whose command line holds a word.
pub(crate) fn marked(word: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let has = |id: &i32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    };
    numbers.filter(has).collect()
}

fn picture_of(path: &Path) -> String {
    let Ok(about) = fs::symlink_metadata(path) else { return "gone".to_owned() };
    let text = if about.is_file() { fs::read(path).unwrap_or_default() } else { Vec::new() };
    let (mode, links, size) = (about.mode(), about.nlink(), about.size());
    // Of a folder the names say what changed.
    let (links, size) = if about.is_dir() { (0, 0) } else { (links, size) };
    let times = if about.is_dir() { (0, 0) } else { (about.mtime(), about.mtime_nsec()) };
    format!("{mode:o} {links} {size} {times:?} {} {text:?}", about.uid())
}

/// How the kernel treats a process.
fn state(id: i32) -> String {
    let part = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
    let stat = part("stat");
    let fields: Vec<_> = stat.split(' ').collect();
    let order = [18, 40].map(|at| fields.get(at).copied().unwrap_or_default().to_owned());
    let status = part("status");
    let processors: Vec<_> = status.lines().filter(|line| line.starts_with("Cpus_")).collect();
    format!("{order:?} {processors:?} {}", part("limits"))
}

fn fill(path: &Path, token: &str, user: u32) {
    let file = |name: &str, text: &str, mode: u32| {
        fs::write(path.join(name), text).unwrap();
        open_to_all(&path.join(name), mode);
        if is_root() && mode != 0o644 {
            chown(path.join(name), Some(user), Some(user)).unwrap();
        }
    };
    for (name, mode) in [
        (".", 0o777),
        ("library", 0o777),
        ("scratch", 0o777),
        ("empty", 0o777),
        ("named", 0o755),
        ("leaked", 0o777),
    ] {
        let folder = path.join(name);
        fs::create_dir_all(&folder).unwrap();
        open_to_all(&folder, mode);
    }
    file("canary", &format!("canary {token}"), 0o644);
    file("target", &format!("target {token}"), 0o666);
    file("other", "other", 0o666);
    file("library/note.txt", "a note", 0o666);
    file(&format!("named/{token}"), "", 0o644);
    file("leaked/canary", &format!("leaked {token}"), 0o644);
    symlink(path.join("canary"), path.join("library/link")).unwrap();
    symlink("/somewhere", path.join("outside_link")).unwrap();
    let (value, place) = (b"note", path.join("target"));
    let none = rustix::fs::XattrFlags::empty();
    let (Ok(()) | Err(_)) = rustix::fs::setxattr(place, "user.note", value, none);
}

fn victim(ground: &Ground, user: u32, token: &str, canary: &Path) -> (Child, Vec<u64>) {
    let canary = canary.to_string_lossy();
    let mut command = ground.plain(user, &["victim", token, &canary]);
    command.env("SECRET", token).process_group(0);
    let mut victim = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(victim.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let places: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert_eq!(places.len(), 3, "the victim says where it is hurt: {line:?}");
    (victim, places)
}

impl Listeners {
    fn make(path: &Path, token: &str) -> (Self, String) {
        let hidden = format!("listener-{token}");
        let name = SocketAddr::from_abstract_name(&hidden).unwrap();
        let made = Self {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            path: UnixListener::bind(path.join("socket")).unwrap(),
            hidden: UnixListener::bind_addr(&name).unwrap(),
        };
        open_to_all(&path.join("socket"), 0o777);
        made.tcp.set_nonblocking(true).unwrap();
        made.udp.set_nonblocking(true).unwrap();
        made.path.set_nonblocking(true).unwrap();
        made.hidden.set_nonblocking(true).unwrap();
        (made, hidden)
    }

    fn was_reached(&self) -> bool {
        let mut bytes = [0; 64];
        self.tcp.accept().is_ok()
            || self.udp.recv(&mut bytes).is_ok()
            || self.path.accept().is_ok()
            || self.hidden.accept().is_ok()
    }
}

impl Leaked {
    fn make(path: &Path, token: &str) -> (Self, [i32; 3]) {
        let place = path.join("leaked").join(token);
        let file: OwnedFd = fs::File::open(path.join("leaked/canary")).unwrap().into();
        let folder: OwnedFd = fs::File::open(path.join("leaked")).unwrap().into();
        let (own, peer) = UnixStream::pair().unwrap();
        peer.set_nonblocking(true).unwrap();
        let socket: OwnedFd = own.into();
        let all = [&file, &folder, &socket];
        for left_open in all {
            fcntl_setfd(left_open, FdFlags::empty()).unwrap();
        }
        let numbers = all.map(std::os::fd::AsRawFd::as_raw_fd);
        (Self { _file: file, _folder: folder, _socket: socket, peer, place }, numbers)
    }

    fn was_used(&self, token: &str) -> bool {
        let mut bytes = [0; 64];
        let count = (&self.peer).read(&mut bytes).unwrap_or(0);
        let came = String::from_utf8_lossy(&bytes[..count]).into_owned();
        self.place.exists() || (count > 0 && token.starts_with(came.get(..8).unwrap_or(&came)))
    }
}
