//! Debian's packages: installed as root on Debian and its kin, otherwise named for the reader.

use std::process::Command;

use anyhow::{Result, bail};

use crate::step;
use crate::tools::{Installing, on_path};

/// Installs Debian packages, or stops with the command a person can run.
pub(crate) fn install(packages: &[&str], installing: Installing) -> Result<()> {
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if installing == Installing::Forbidden || !can_install() {
        bail!("missing Debian packages; run as root: {by_hand}");
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        apt
    };
    step::command("read Debian's package lists", apt().arg("update"))?;
    let mut all = apt();
    all.args(["install", "-y", "--no-install-recommends"]).args(packages);
    step::command(&by_hand, &mut all)
}

/// Whether this process can install Debian packages: it is root, and there is an `apt-get`.
pub(crate) fn can_install() -> bool {
    on_path("apt-get").is_some()
        && step::output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}
