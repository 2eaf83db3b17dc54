//! Giving up root. What may be read is bound into a view of its own first, because another user could
//! not walk to it; the view is this process's alone and goes with it.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::bwrap::Place;
use crate::planted::{self, Control};

/// The user `nobody`.
const NOBODY: u32 = 65_534;
/// Where the view is made: any folder that everybody may walk to.
const VIEW: &str = "/tmp";
/// Where the scratch of the command lies in it.
pub(super) const SCRATCH: &str = "/tmp/scratch";
/// Bytes of scratch for which there is one name: files without a byte take memory as well.
const BYTES_OF_NAME: u64 = 4096;
/// What the view itself may hold.
const VIEW_OPTIONS: &str = "mode=0755,size=65536";

/// Leaves the mounts of the machine where this process is root, before anything is opened: a file that
/// was opened among other mounts cannot be bound. Whether it is.
pub(super) fn leave() -> Result<bool, String> {
    let own = Uid::effective();
    if !own.is_root() || !planted::holds(Control::UserDrop) {
        return Ok(false);
    }
    let none = None::<&Path>;
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none))
        .map_err(|error| format!("own mounts: {error}"))?;
    Ok(true)
}

/// Becomes `nobody` where this process is root; the places as they are then reached, and what was
/// done.
pub(super) fn drop_root(
    places: Vec<Place>,
    is_root: bool,
    scratch_bytes: u64,
) -> Result<(Vec<Place>, String), String> {
    if !is_root {
        return Ok((places, format!("user {}", Uid::effective())));
    }
    let places =
        view(places, scratch_bytes).map_err(|error| format!("a view of the roots: {error}"))?;
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])
        .and_then(|()| setresgid(group, group, group))
        .and_then(|()| setresuid(user, user, user))
        .map_err(|error| format!("root could not be given up: {error}"))?;
    Ok((places, format!("user {NOBODY}, root given up")))
}

fn view(places: Vec<Place>, scratch_bytes: u64) -> std::io::Result<Vec<Place>> {
    let none = None::<&Path>;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), VIEW, Some("tmpfs"), plain, Some(VIEW_OPTIONS))?;
    let mut seen = Vec::new();
    for (number, place) in places.into_iter().enumerate() {
        let host = PathBuf::from(format!("{VIEW}/{number}"));
        if place.is_folder {
            fs::create_dir(&host)?;
        } else {
            fs::write(&host, "")?;
        }
        let open = format!("/proc/self/fd/{}", place.file.as_raw_fd());
        mount(Some(Path::new(&open)), &host, none, MsFlags::MS_BIND, none)?;
        if place.is_folder {
            let kept = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            mount(none, &host, none, kept | plain | MsFlags::MS_NOEXEC, none)?;
        }
        seen.push(Place { host, ..place });
    }
    let names = scratch_bytes.div_ceil(BYTES_OF_NAME) + 16;
    let options =
        format!("mode=0700,uid={NOBODY},gid={NOBODY},size={scratch_bytes},nr_inodes={names}");
    fs::create_dir(SCRATCH)?;
    let plain = plain | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), SCRATCH, Some("tmpfs"), plain, Some(options.as_str()))?;
    Ok(seen)
}
