//! Watches for the file HALT in the world's mutable folder: with `queue` dead it halts the world.
//!
//! The kernel tells of the file's coming and going; nothing is polled.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// Bytes read of the kernel's notes at a time.
const NOTES_BYTES: usize = 4_096;

/// Whether the file is there. Follows it for as long as [`Watcher::run`] runs.
#[derive(Debug)]
pub struct Watcher {
    file: PathBuf,
    notes: AsyncFd<OwnedFd>,
    present: watch::Sender<bool>,
}

impl Watcher {
    /// Begins to watch for `file`, whose folder must be there.
    pub fn new(file: &Path) -> io::Result<Self> {
        use inotify::{CreateFlags, WatchFlags};
        let notes = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let wanted = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&notes, folder, wanted)?;
        // Looked at behind the watch: a file that came in between is seen.
        let (present, _) = watch::channel(file.exists());
        #[expect(
            deprecated,
            reason = "an `OwnedFd` keeps its descriptor, and no code here is unsafe"
        )]
        let notes = AsyncFd::new(notes)?;
        Ok(Self { file: file.to_owned(), notes, present })
    }

    /// Whether the file is there, now and at each change.
    pub fn present(&self) -> watch::Receiver<bool> {
        self.present.subscribe()
    }

    /// Watches until it is dropped, or until the kernel tells nothing any more.
    pub async fn run(self) -> io::Result<()> {
        loop {
            let mut ready = self.notes.readable().await?;
            let drained = ready.try_io(|notes| {
                let mut buffer = [MaybeUninit::uninit(); NOTES_BYTES];
                let mut reader = inotify::Reader::new(notes.get_ref(), &mut buffer);
                loop {
                    reader.next()?;
                }
            });
            if let Ok(Err(error)) = drained.map(|done: io::Result<()>| done)
                && error.kind() != io::ErrorKind::WouldBlock
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            let there = self.file.exists();
            self.present.send_if_modified(|present| std::mem::replace(present, there) != there);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_is_seen_coming_and_going() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("HALT");
        let watcher = Watcher::new(&file).expect("it watches");
        let mut present = watcher.present();
        let run = watcher.run();
        let check = async {
            assert!(!*present.borrow());
            std::fs::write(&file, "cli: enough").expect("it writes");
            assert!(*present.wait_for(|there| *there).await.expect("it runs"));
            std::fs::write(folder.path().join("other"), "").expect("it writes");
            std::fs::remove_file(&file).expect("it goes");
            assert!(!*present.wait_for(|there| !*there).await.expect("it runs"));
        };
        tokio::select! {
            ended = run => panic!("the watcher ended: {ended:?}"),
            () = check => {}
        }
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_seen_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("HALT");
        std::fs::write(&file, "").expect("it writes");
        assert!(*Watcher::new(&file).expect("it watches").present().borrow());
    }
}
