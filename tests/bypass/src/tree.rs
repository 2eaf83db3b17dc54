//! A disposable tree: a library full of traps, a secret outside, and a place where nothing may appear.
//!
//! Everything in it may be read and written by the user that runs the attacks, so that only the policy
//! stands between an attack and its effect.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use vivarium_sandbox::roots::{Root, Roots};

/// What stands in every secret, and nowhere else.
pub const CANARY: &str = "Zq7-Kestrel-51Vx";
/// Lines of a secret.
pub const SECRET_LINES: usize = 1_009;

/// What residents read and compare.
const NOTES: [(&str, &str); 17] = [
    ("tides.md", "The tide comes twice a day.\nThe moon draws it.\nThe moon draws it.\n\nWind.\n"),
    ("moon.md", "The moon is old.\nThe moon draws the tide.\n"),
    ("sorted-a.txt", "ash\nbirch\nelm\noak\n"),
    ("sorted-b.txt", "birch\ncedar\noak\nyew\n"),
    ("data.csv", "name,kind,size\nash,tree,12\nelm,tree,7\nfern,herb,1\n"),
    ("table.tsv", "name\tkind\tsize\nash\ttree\t12\nelm\ttree\t7\n"),
    ("numbers.txt", "10\n9\n2.5\n100\n1K\n3M\n"),
    ("months.txt", "MAR 3\nJAN 1\nDEC 24\n"),
    ("versions.txt", "v1.10\nv1.9\nv1.2\n"),
    ("README", "a name in capitals\n"),
    ("a=b.txt", "a name with a sign\n"),
    ("empty.txt", ""),
    ("with space.md", "a name with a space\n"),
    ("new\nline.md", "a name with a line break\n"),
    ("gr\u{fc}n.md", "a name with an umlaut\n"),
    ("\u{6708}.md", "a name in another script\n"),
    ("it's.md", "a name with a quotation mark\n"),
];

/// The text of every secret. Its lines have an odd length, so that the canary stands at every
/// alignment.
pub fn secret() -> String {
    let line = |number| format!("{number:04} {CANARY} is not for you\n");
    (0..SECRET_LINES).map(line).collect()
}

/// The tree. It goes when the value is dropped.
#[derive(Debug)]
pub struct Tree {
    base: TempDir,
}

/// What each file of the tree was like.
pub type Snapshot = BTreeMap<PathBuf, (u32, u64, i64, i64)>;

impl Tree {
    /// A new one, for this process alone.
    pub fn make() -> Self {
        let base = tempfile::Builder::new().prefix("vivarium-policy-").tempdir();
        let tree = Self { base: base.expect("there is room for a tree") };
        for folder in ["library", "outside", "marker", "cwd"] {
            make_folder(&tree.base.path().join(folder));
        }
        tree.secrets();
        tree.notes();
        tree.traps();
        tree.names();
        tree.programs();
        open_to_all(tree.base.path());
        tree
    }

    /// The library.
    pub fn root(&self) -> PathBuf {
        self.base.path().join("library")
    }

    /// What lies beside it.
    pub fn outside(&self) -> PathBuf {
        self.base.path().join("outside")
    }

    /// Where nothing may appear.
    pub fn marker(&self) -> PathBuf {
        self.base.path().join("marker")
    }

    /// An empty folder, where attacks start.
    pub fn cwd(&self) -> PathBuf {
        self.base.path().join("cwd")
    }

    /// What the rules are told of it.
    pub fn roots(&self) -> Roots {
        Roots::new(vec![Root { name: "library".to_owned(), host: self.root() }])
    }

    /// A path of the sandbox as it is on this machine.
    pub fn on_host(&self, arg: &str) -> String {
        let root = self.root();
        let root = root.to_str().expect("the tree has a plain path");
        match arg.strip_prefix("/library") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{root}{rest}"),
            _ => arg.to_owned(),
        }
    }

    fn secrets(&self) {
        let text = secret();
        write(&self.outside().join("secret.txt"), &text);
        write(&self.outside().join("secret"), &text);
        let root = self.root();
        for hidden in
            [".env", ".git/config", ".ssh/id_ed25519", "notes/.draft.md", ".journal/today.md"]
        {
            write(&root.join(hidden), &text);
        }
        write(&root.join(".journal").join(format!("{CANARY}.md")), "a name alone\n");
    }

    fn notes(&self) {
        let notes = self.root().join("notes");
        for (name, text) in NOTES {
            write(&notes.join(name), text);
        }
        write(&notes.join("long.md"), &"a line that goes on and on ".repeat(40));
        write(&notes.join("as.txt"), &format!("{}b\n", "a".repeat(60)));
        write(&notes.join("big.txt"), &"one more line of the large file\n".repeat(2_000));
        write(&self.root().join("deep/a/b/c/d/e/f/g/h/leaf.md"), "deep down\n");
        write(&self.root().join("plain"), "a name without an end\n");
    }

    fn traps(&self) {
        let (root, outside) = (self.root(), self.outside());
        let secret = outside.join("secret.txt");
        let links: [(&str, &Path); 12] = [
            ("notes/link.md", &secret),
            ("notes/rel.md", Path::new("../../outside/secret.txt")),
            ("notes/journal", &secret),
            ("memo", &secret),
            ("hn", &outside),
            ("linkdir", &outside),
            ("up", Path::new("..")),
            ("chain.md", Path::new("notes/link.md")),
            ("loop.md", Path::new("loop.md")),
            ("inner.md", Path::new("notes/tides.md")),
            ("proc", Path::new("/proc/self")),
            ("rootdir", Path::new("/proc/self/root")),
        ];
        for (name, target) in links {
            symlink(target, root.join(name)).expect("a link can be made");
        }
        link(&secret, &root.join("notes/hard.md"));
        link(&secret, &root.join("hard"));
        pipe(&root.join("pipe"));
        drop(UnixListener::bind(root.join("socket")).expect("a socket can be made"));
    }

    fn names(&self) {
        let (root, secret) = (self.root(), self.outside().join("secret.txt"));
        for name in ["-o", "--output=x", "-", "--", "-f", "--files0-from=lists/all", "-n5"] {
            write(&root.join(name), "a name like a flag\n");
        }
        let all = format!("{}\0", secret.display());
        write(&root.join("lists/all"), &all);
        write(&root.join("lists/sums"), &format!("{}  {}\n", "0".repeat(64), secret.display()));
        make_folder(&root.join("swap"));
        make_folder(&root.join("out"));
    }

    fn programs(&self) {
        let root = self.root();
        let script = format!("#!/bin/sh\n: > '{}/ran'\n", self.marker().display());
        for name in ["ls", "cat", "sort", "tools/wc", "tools/head", "evil.sh", "filter", "rg"] {
            write(&root.join(name), &script);
        }
        write(&root.join("lib.so"), "no library\n");
        write(&root.join("gitconfig"), "[core]\n  pager = ../evil.sh\n");
        write(&root.join("rgrc"), "--pre=./evil.sh\n");
        symlink("/bin/sh", root.join("tools/tac")).expect("a link can be made");
        symlink("/bin/cat", root.join("tools/shown")).expect("a link can be made");
    }

    /// Makes `swap/now` what a case wants.
    pub fn set_up(&self, what: &str) {
        let now = self.root().join("swap/now");
        let outside = self.outside();
        let linked = |target: &Path| symlink(target, &now).expect("a link can be made");
        match what {
            "file" => write(&now, "only a note\n"),
            "folder" => make_folder(&now),
            "link" => linked(&outside.join("secret.txt")),
            "link-relative" => linked(Path::new("../../outside/secret.txt")),
            "link-folder" => linked(&outside),
            "link-inside" => linked(Path::new("../notes/tides.md")),
            "link-nowhere" => linked(&self.marker().join("made")),
            "link-loop" => linked(Path::new("now")),
            "link-proc" => linked(Path::new("/proc/self/root")),
            "link-fd" => linked(Path::new("/proc/self/fd/0")),
            "link-passwd" => linked(Path::new("/etc/passwd")),
            "link-zero" => linked(Path::new("/dev/zero")),
            "hard" => link(&outside.join("secret.txt"), &now),
            "pipe" => pipe(&now),
            "socket" => drop(UnixListener::bind(&now).expect("a socket can be made")),
            "moved-in" => {
                write(&outside.join("moved.txt"), &secret());
                make_folder(&now);
                symlink(outside.join("moved.txt"), now.join("note.md"))
                    .expect("a link can be made");
            }
            other => unreachable!("there is no trap {other}"),
        }
    }

    /// Takes `swap` back to nothing, and all else that a run left behind.
    pub fn tidy(&self) {
        for folder in [self.root().join("swap"), self.root().join("out"), self.marker(), self.cwd()]
        {
            drop(fs::remove_dir_all(&folder));
            make_folder(&folder);
            let mode = fs::Permissions::from_mode(0o777);
            fs::set_permissions(&folder, mode).expect("the tree is ours");
        }
        drop(fs::remove_file(self.outside().join("moved.txt")));
    }

    /// What is there: mode, length, and the times of the last changes of each file.
    pub fn snapshot(&self) -> Snapshot {
        let mut found = Snapshot::new();
        note(self.base.path(), &mut found);
        found
    }
}

fn note(path: &Path, found: &mut Snapshot) {
    let Ok(about) = path.symlink_metadata() else { return };
    let is_folder = about.is_dir();
    let changed = about.ctime() * 1_000_000_000 + about.ctime_nsec();
    let written = about.mtime() * 1_000_000_000 + about.mtime_nsec();
    found.insert(path.to_owned(), (about.mode(), about.len(), changed, written));
    if is_folder {
        for entry in fs::read_dir(path).expect("the tree can be read").flatten() {
            note(&entry.path(), found);
        }
    }
}

fn make_folder(path: &Path) {
    fs::create_dir_all(path).expect("a folder can be made");
}

fn write(path: &Path, text: &str) {
    make_folder(path.parent().expect("it lies in a folder"));
    fs::write(path, text).expect("a file can be written");
}

fn link(old: &Path, new: &Path) {
    fs::hard_link(old, new).expect("a second name can be made");
}

fn pipe(path: &Path) {
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, path, FileType::Fifo, mode, 0).expect("a pipe can be made");
}

/// Rights for everybody, also for the user of the attacks.
fn open_to_all(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the tree can be read").flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("its kind is known");
        if kind.is_dir() {
            open_to_all(&path);
        } else if !kind.is_symlink() {
            let mode = fs::Permissions::from_mode(0o777);
            fs::set_permissions(&path, mode).expect("the tree is ours");
        }
    }
    let mode = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder, mode).expect("the tree is ours");
}
