//! Bubblewrap, and what it is told.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::planted::{self, Control};
use crate::request::Request;
use crate::stage::{self, Order};

/// What starts the namespaces.
pub(super) const PROGRAM: &str = "bubblewrap";
/// Where it may lie: never on a path that somebody set.
const CANDIDATES: [&str; 3] = ["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap"];
/// Where the stage finds itself.
const STAGE: &str = "/run/stage";
/// The user inside: nobody.
const NOBODY: &str = "65534";

/// What bubblewrap says where `AppArmor` lets it make namespaces and do nothing in them, as Ubuntu does
/// since 24.04 (`apparmor_restrict_unprivileged_userns`).
const CONFINED: [&str; 2] = ["setting up uid map: Permission denied", "Failed RTM_NEWADDR"];

/// What bubblewrap says it failed at, with what helps where it does not say that itself.
pub(super) fn advised(said: &str) -> String {
    if CONFINED.iter().any(|confined| said.contains(confined)) {
        return format!(
            "{said}; AppArmor confines user namespaces here: give {} a profile with `userns,`, or set \
             `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
            CANDIDATES[0]
        );
    }
    said.to_owned()
}

/// One file or folder that the sandbox has, as it was opened.
#[derive(Debug)]
pub(super) struct Place {
    /// It, open.
    pub(super) file: OwnedFd,
    /// Where it lies.
    pub(super) host: PathBuf,
    /// Where it is inside.
    pub(super) inside: String,
    /// Whether it is a folder.
    pub(super) is_folder: bool,
}

/// All that the sandbox has, opened before rights are given up: the roots, the program, the stage.
pub(super) fn places(request: &Request) -> Result<Vec<Place>, String> {
    let mut places = Vec::new();
    for mount in &request.mounts {
        places.push(place(&mount.host, &mount.inside, true)?);
    }
    places.push(place(&request.program, stage::PROGRAM, false)?);
    let me = std::env::current_exe().map_err(|error| error.to_string())?;
    places.push(place(&me, STAGE, false)?);
    Ok(places)
}

fn place(host: &Path, inside: &str, is_folder: bool) -> Result<Place, String> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let flags = if is_folder { flags | OFlags::DIRECTORY } else { flags };
    let file = openat(CWD, host, flags, Mode::empty());
    let file = file.map_err(|error| format!("{}: {error}", host.display()))?;
    Ok(Place { file, host: host.to_owned(), inside: inside.to_owned(), is_folder })
}

/// The command that builds the namespaces around the stage.
pub(super) fn command(
    request: &Request,
    places: &[Place],
    sign: &str,
    is_root: bool,
) -> Result<Command, String> {
    let bwrap = CANDIDATES.into_iter().find(|path| Path::new(path).is_file());
    let bwrap =
        bwrap.ok_or("bubblewrap is missing: install it, with `apt-get install bubblewrap`")?;
    let order = Order {
        argv: request.argv.clone(),
        roots: request.mounts.iter().map(|mount| mount.inside.clone()).collect(),
        children: request.children,
        limits: request.limits,
        sha256: request.sha256.clone(),
        sign: sign.to_owned(),
    };
    let order = serde_json::to_string(&order).map_err(|error| error.to_string())?;
    let mut command = Command::new(bwrap);
    if planted::holds(Control::Environment) {
        command.env_clear();
    }
    planted::hand_on(&mut command);
    command.current_dir("/");
    if planted::holds(Control::Namespaces) {
        command.args([
            "--unshare-user",
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--hostname",
            "vivarium",
        ]);
        command.args(["--uid", NOBODY, "--gid", NOBODY, "--disable-userns"]);
    }
    command.args(["--cap-drop", "ALL"]);
    for path in stage::LIBRARIES {
        command.args(["--ro-bind-try", path, path]);
    }
    for (target, link) in [("usr/lib", "/lib"), ("usr/lib64", "/lib64")] {
        command.args(["--symlink", target, link]);
    }
    command.args(["--dev-bind", "/dev/null", "/dev/null"]);
    for place in places {
        command.arg("--ro-bind").arg(&place.host).arg(&place.inside);
    }
    if is_root {
        command.args(["--bind", super::user::SCRATCH, "/tmp"]);
    } else {
        command.args(["--size", &request.limits.scratch_bytes.to_string(), "--tmpfs", "/tmp"]);
    }
    command.args(["--remount-ro", "/", "--chdir", &request.folder, STAGE, "stage", &order]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_is_told_where_bubblewrap_does_not_tell_it() {
        let told = advised("bwrap: setting up uid map: Permission denied");
        assert!(told.starts_with("bwrap: setting up uid map: Permission denied; "), "{told}");
        assert!(told.contains("kernel.apparmor_restrict_unprivileged_userns=0"), "{told}");
        let own = "bwrap: Creating new namespace failed: nesting depth exceeded (ENOSPC)";
        assert_eq!(advised(own), own);
    }
}
