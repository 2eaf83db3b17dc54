//! Files that are exchanged while they are judged and read: what lies outside is never read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use vivarium_sandbox::request::End;
use vivarium_sandbox::roots::{Kind, Paths as _, Root, Roots};

use crate::ground::{Ground, is_root, left_out, library, open_to_all};
use crate::wait::times;

/// Judgements, and readings within the sandbox, of each way to exchange.
const JUDGED: usize = 2_000;
const RUNS: usize = 10;
const READINGS: usize = 250;
const SECRET: &str = "canary outside";

/// A library with a note, and what it is exchanged for.
struct Swap {
    ground: Ground,
    library: PathBuf,
}

impl Swap {
    fn make() -> Self {
        let ground = Ground::make();
        let (library, outside) =
            (ground.folder.path().join("library"), ground.folder.path().join("outside"));
        for folder in [&library, &library.join("notes"), &outside] {
            fs::create_dir(folder).unwrap();
            open_to_all(folder, 0o755);
        }
        fs::write(library.join("notes/a.txt"), "a note").unwrap();
        fs::write(outside.join("a.txt"), SECRET).unwrap();
        symlink(outside.join("a.txt"), library.join("notes/other.txt")).unwrap();
        symlink(&outside, library.join("other")).unwrap();
        Self { ground, library }
    }

    fn judge(&self, readings: &mut BTreeMap<String, u32>) {
        let roots = Root { name: "library".to_owned(), host: self.library.clone() };
        let roots = Roots::new(vec![roots]);
        for _ in 0..JUDGED / RUNS {
            let judged = roots.resolve("library/notes", "a.txt", Kind::File);
            let word = if judged.is_ok() { "judged good" } else { "judged bad" };
            *readings.entry(word.to_owned()).or_default() += 1;
            let plain = fs::read_to_string(self.library.join("notes/a.txt")).unwrap_or_default();
            *readings.entry(format!("read without: {plain}")).or_default() += 1;
        }
    }

    fn read_within(&self) -> String {
        let times = READINGS.to_string();
        let words = ["do", "readings", "/library/notes/a.txt", &times];
        let mut request = self.ground.request(&words);
        request.mounts = vec![library(&self.library)];
        let outcome = self.ground.ask(&request);
        assert_eq!(outcome.end, End::Exited(0), "{outcome:?}");
        outcome.stdout
    }

    /// Judges and reads while `turn` exchanges something and puts it back.
    fn against(&self, turn: impl Fn(&Path) + Sync) {
        let (over, mut told) = (AtomicBool::new(false), BTreeMap::new());
        let over = &over;
        let within = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    turn(&self.library);
                }
            });
            let _ending = Ending(over);
            let turn = |_| {
                self.judge(&mut told);
                self.read_within()
            };
            let within: Vec<_> = (0..RUNS * times()).map(turn).collect();
            within
        });
        let read = within.iter().filter(|text| text.contains(SECRET)).count();
        println!(
            "{} judgements and {} openings within, the canary read in {read} runs of {}; {told:?}",
            JUDGED * times(),
            READINGS * within.len(),
            within.len()
        );
        assert!(within.iter().all(|text| !text.contains(SECRET)), "{within:?}");
        assert!(within.iter().any(|text| text.contains("a note")), "the note is read: {within:?}");
        for word in ["judged good", "judged bad", &format!("read without: {SECRET}")] {
            assert!(told.contains_key(word), "the exchange is live: {told:?}");
        }
    }
}

/// Ends the exchange when it is dropped, however that comes about.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    Swap::make().against(|library| {
        exchange(&library.join("notes/a.txt"), &library.join("notes/other.txt"));
    });
}

#[test]
fn a_link_in_the_place_of_a_folder_is_not_followed() {
    Swap::make().against(|library| exchange(&library.join("notes"), &library.join("other")));
}

#[test]
fn a_mount_in_the_place_of_a_folder_is_not_entered() {
    if !is_root() {
        return left_out("a mount over a folder of the library");
    }
    let swap = Swap::make();
    let outside = swap.ground.folder.path().join("outside");
    swap.against(|library| {
        let (notes, none) = (library.join("notes"), None::<&Path>);
        mount(Some(&outside), &notes, none, MsFlags::MS_BIND, none).unwrap();
        thread::yield_now();
        umount2(&notes, MntFlags::MNT_DETACH).unwrap();
    });
}

/// Runs of a program that is exchanged for another one all the time.
const STARTS: usize = 120;

#[test]
fn a_program_that_is_exchanged_is_not_run() {
    let ground = Ground::make();
    let (listed, other) = (ground.folder.path().join("listed"), ground.folder.path().join("other"));
    fs::copy(&ground.attacker, &listed).unwrap();
    fs::copy("/usr/bin/echo", &other).unwrap();
    let mut request = ground.request(&["said", "by the listed one"]);
    request.program.clone_from(&listed);
    let over = AtomicBool::new(false);
    let (mut ran, mut refused, mut others) = (0, 0, Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                exchange(&listed, &other);
            }
        });
        let _ending = Ending(&over);
        for _ in 0..STARTS * times() {
            let outcome = ground.ask(&request);
            if matches!(outcome.end, End::Refused(_)) {
                refused += 1;
            } else if outcome.stdout.starts_with("ok it ran") {
                ran += 1;
            } else {
                others.push(outcome.stdout);
            }
        }
    });
    println!("{ran} ran, {refused} were refused, {} others ran", others.len());
    assert!(others.is_empty(), "another program ran: {others:?}");
    assert!(ran > 0 && refused > 0, "the exchange is live: {ran} ran, {refused} were refused");
}
