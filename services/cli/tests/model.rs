//! `vivarium model` as people use it: the program itself, a world in a temporary folder, and a source
//! on this machine. No test here needs a network or a Python.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// What a model is here: bytes that repeat nowhere.
fn weights() -> Vec<u8> {
    (0..40_000_u32).flat_map(u32::to_be_bytes).collect()
}

/// A file server that breaks off when it is told to.
struct Origin {
    address: String,
    /// The range each request asked for, or nothing.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    /// Serves `bytes`; the first answer breaks off after `first` of them.
    fn serve(bytes: Vec<u8>, first: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/m.gguf", listener.local_addr().expect("bound"));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for (count, stream) in listener.incoming().flatten().enumerate() {
                let limit = if count == 0 { first } else { usize::MAX };
                // A client that left has its own test.
                drop(answer(stream, &bytes, limit, &seen));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

fn answer(
    mut stream: TcpStream,
    bytes: &[u8],
    limit: usize,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut range = String::new();
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_lowercase();
        if let Some(asked) = line.strip_prefix("range: ") {
            asked.clone_into(&mut range);
        }
        if line.is_empty() {
            break;
        }
    }
    let start: usize = range
        .strip_prefix("bytes=")
        .and_then(|range| range.trim_end_matches('-').parse().ok())
        .unwrap_or(0);
    seen.lock().expect("not poisoned").push(range.clone());
    let status = if range.is_empty() { "200 OK" } else { "206 Partial Content" };
    let (rest, last) = (&bytes[start..], bytes.len() - 1);
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {start}-{last}/{}\r\n\
         connection: close\r\n\r\n",
        rest.len(),
        bytes.len()
    )?;
    stream.write_all(&rest[..rest.len().min(limit)])
}

/// A world, a cache, and a manifest with one model.
struct Stand {
    top: TempDir,
}

impl Stand {
    fn new(official: &str) -> Self {
        Self::of_size(official, weights().len() as u64)
    }

    fn of_size(official: &str, bytes: u64) -> Self {
        let stand = Self { top: tempfile::tempdir().expect("a folder") };
        stand.world("w", official, bytes);
        stand
    }

    fn world(&self, name: &str, official: &str, bytes: u64) {
        let sha256 = hex::encode(Sha256::digest(weights()));
        let manifest = format!(
            "sources = [\"official\"]\ndefault = \"tiny-model\"\nsmall = \"tiny-model\"\n\
             [engine]\npackage = \"no-such-engine\"\nversion = \"1\"\nsha256 = []\nlicence = \"MIT\"\n\
             [[model]]\nname = \"tiny-model\"\ntitle = \"Tiny\"\nuse = \"smoke\"\nbytes = {bytes}\n\
             sha256 = \"{sha256}\"\nlicence = \"Apache-2.0\"\nauthor = \"nobody\"\n\
             window_tokens = 2048\nram_mib_min = 1\nofficial = \"{official}\"\n"
        );
        let config = self.top.path().join(name).join("config");
        fs::create_dir_all(&config).expect("a folder");
        fs::write(config.join("models.toml"), manifest).expect("it writes");
    }

    fn cache(&self) -> PathBuf {
        self.top.path().join("cache")
    }

    fn file(&self, world: &str) -> PathBuf {
        self.top.path().join(world).join("mutable/models/tiny-model.gguf")
    }

    /// Runs a command in a world: its exit code, and what it prints as JSON.
    fn run(&self, world: &str, words: &[&str]) -> (i32, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
        command
            .env("VIVARIUM_MODEL_CACHE", self.cache())
            .env_remove("VIVARIUM_MODEL_SOURCE")
            .env("VIVARIUM_PYTHON", "no-such-python")
            .args(["--json", "--world"])
            .arg(self.top.path().join(world))
            .arg("model")
            .args(words);
        let output = command.output().expect("it runs");
        let code = output.status.code().expect("it ends by itself");
        let text = if code == 0 { &output.stdout } else { &output.stderr };
        let text = String::from_utf8_lossy(text);
        let last = text.lines().last().unwrap_or_default();
        (code, serde_json::from_str(last).expect(&text))
    }

    fn fetch(&self, world: &str) -> (i32, Value) {
        self.run(world, &["fetch", "--no-engine"])
    }
}

fn reason(answer: &Value) -> &str {
    answer["error"]["reason"].as_str().unwrap_or_default()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn files(folder: &Path, ending: &str) -> usize {
    let entries = fs::read_dir(folder).expect("it lists").flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|found| found == ending)).count()
}

#[test]
fn an_empty_world_lists_what_can_be_fetched_and_has_none_of_it() {
    let top = tempfile::tempdir().expect("a folder");
    let stand = Stand { top };
    let (code, answer) = stand.run("nowhere", &["list"]);
    assert_eq!(code, 0);
    let models = answer["models"].as_array().expect("a list");
    assert!(models.len() >= 2 && models.iter().all(|model| model["fetched"] == false));
    assert_eq!(models.iter().filter(|model| model["default"] == true).count(), 1);
    assert_eq!(answer["engine"]["ready"], false);
    assert!(!stand.top.path().join("nowhere").exists(), "looking makes nothing");
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    let stand = Stand::new("http://127.0.0.1:1/");
    for words in [["fetch", "tinymodel"], ["remove", "tinymodel"]] {
        let (code, answer) = stand.run("w", &words);
        assert_eq!(code, 2);
        let hint = answer["error"]["hint"].as_str().expect("a hint");
        assert!(hint.contains("did you mean tiny-model?"), "{hint}");
    }
}

#[test]
fn a_fetch_that_breaks_off_is_resumed_and_a_second_world_takes_it_from_the_cache() {
    let origin = Origin::serve(weights(), 100_000);
    let stand = Stand::new(&origin.address);
    let (code, answer) = stand.fetch("w");
    assert_eq!((code, &answer["from"]), (0, &"official".into()), "{answer}");
    assert_eq!(origin.asked(), ["", "bytes=100000-"]);
    assert_eq!(fs::read(stand.file("w")).expect("it reads"), weights());
    assert_eq!((mode(&stand.file("w")), mode(&stand.cache())), (0o600, 0o700));
    assert_eq!(stand.fetch("w").1["from"], "world");

    stand.world("second", &origin.address, weights().len() as u64);
    assert_eq!(stand.fetch("second").1["from"], "cache");
    assert_eq!(origin.asked().len(), 2, "nothing was fetched again");
    let inode = |world| fs::metadata(stand.file(world)).expect("it is there").ino();
    assert_eq!(inode("w"), inode("second"), "one file on the disk");

    assert_eq!(stand.run("w", &["list"]).1["models"][0]["fetched"], true);
    assert_eq!(stand.run("w", &["remove", "tiny-model"]).1["removed"], true);
    assert_eq!(stand.run("w", &["remove", "tiny-model"]).1["removed"], false);
    assert!(!stand.file("w").exists() && stand.file("second").exists());
}

#[test]
fn a_damaged_file_is_noticed_wherever_it_lies() {
    let origin = Origin::serve(weights(), usize::MAX);
    let stand = Stand::new(&origin.address);
    assert_eq!(stand.fetch("w").0, 0);
    let mut damaged = weights();
    damaged[7] ^= 1;
    // The cache and the world share the file.
    fs::write(stand.file("w"), damaged).expect("it writes");
    assert_eq!(stand.fetch("w").1["from"], "official");
    assert_eq!(fs::read(stand.file("w")).expect("it reads"), weights());
}

#[test]
fn a_file_with_another_hash_is_refused_and_removed() {
    let mut wrong = weights();
    wrong[0] ^= 1;
    let origin = Origin::serve(wrong, usize::MAX);
    let stand = Stand::new(&origin.address);
    let (code, answer) = stand.fetch("w");
    assert_eq!((code, reason(&answer)), (1, "MODEL_FETCH_CORRUPT"));
    assert!(!stand.file("w").exists());
    assert_eq!((files(&stand.cache(), "gguf"), files(&stand.cache(), "part")), (0, 0));
}

#[test]
fn without_a_connection_it_says_what_was_tried_and_keeps_what_it_has() {
    // Breaks off, and is gone afterwards.
    let stand = Stand::new("http://127.0.0.1:1/m.gguf");
    fs::create_dir_all(stand.cache()).expect("a folder");
    let hash: String = hex::encode(Sha256::digest(weights())).chars().take(16).collect();
    let part = stand.cache().join(format!("tiny-model.{hash}.part"));
    fs::write(&part, &weights()[..50_000]).expect("it writes");
    let (code, answer) = stand.fetch("w");
    assert_eq!((code, reason(&answer)), (69, "MODEL_FETCH_FAILED"));
    let said = answer["error"]["sentence"].as_str().expect("a sentence");
    assert!(said.contains("tiny-model") && said.contains("official ("), "{said}");
    assert!(answer["error"]["hint"].as_str().expect("a hint").contains("resumes"));
    assert_eq!(fs::metadata(&part).expect("it is kept").len(), 50_000);

    let origin = Origin::serve(weights(), usize::MAX);
    stand.world("w", &origin.address, weights().len() as u64);
    assert_eq!(stand.fetch("w").0, 0);
    assert_eq!(origin.asked(), ["bytes=50000-"]);
}

#[test]
fn plain_http_to_another_machine_is_not_spoken() {
    let stand = Stand::new("http://models.example/m.gguf");
    let (code, answer) = stand.fetch("w");
    assert_eq!((code, reason(&answer)), (69, "MODEL_FETCH_FAILED"));
    assert!(answer["error"]["sentence"].as_str().expect("a sentence").contains("not https"));
}

#[test]
fn two_fetches_of_one_model_do_not_meet() {
    let stand = Stand::new("http://127.0.0.1:1/m.gguf");
    fs::create_dir_all(stand.cache()).expect("a folder");
    let file = fs::File::create(stand.cache().join("tiny-model.lock")).expect("it is made");
    let _held = Flock::lock(file, FlockArg::LockExclusive).expect("it is free");
    let (code, answer) = stand.fetch("w");
    assert_eq!((code, reason(&answer)), (75, "MODEL_FETCH_BUSY"));
}

#[test]
fn a_model_that_no_disk_can_hold_is_refused_before_anything_is_fetched() {
    let origin = Origin::serve(weights(), usize::MAX);
    let stand = Stand::of_size(&origin.address, 1 << 60);
    let (code, answer) = stand.fetch("w");
    assert_eq!((code, reason(&answer)), (1, "MODEL_DISK_FULL"));
    assert_eq!(origin.asked(), [""; 0]);
}

#[test]
fn without_python_the_engine_is_refused_before_the_model_is_fetched() {
    let origin = Origin::serve(weights(), usize::MAX);
    let stand = Stand::new(&origin.address);
    let (code, answer) = stand.run("w", &["fetch"]);
    assert_eq!((code, reason(&answer)), (1, "MODEL_PYTHON_MISSING"));
    assert_eq!(origin.asked(), [""; 0]);
}

#[test]
fn nothing_is_fetched_if_missing_when_a_key_is_there() {
    let stand = Stand::new("http://127.0.0.1:1/m.gguf");
    let keys = stand.top.path().join("w/mutable/keys/providers");
    fs::create_dir_all(&keys).expect("a folder");
    fs::write(keys.join("groq.sealed"), "x").expect("it writes");
    let (code, answer) = stand.run("w", &["fetch", "--if-missing"]);
    assert_eq!((code, &answer["from"]), (0, &"present".into()));
}

#[test]
fn without_a_cache_the_world_alone_keeps_the_file() {
    let origin = Origin::serve(weights(), usize::MAX);
    let stand = Stand::new(&origin.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
    let world = stand.top.path().join("w");
    command.env("VIVARIUM_MODEL_CACHE", "").arg("--world").arg(&world);
    let output = command.args(["model", "fetch", "--no-engine"]).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read(stand.file("w")).expect("it reads"), weights());
    assert!(!stand.cache().exists());
}
