//! Finds a compiler for WASM on this machine and says how to run it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::house::House;
use crate::step;
use crate::tools::{Installing, apt, on_path};

/// The target that browsers run.
pub(crate) const TRIPLE: &str = "wasm32-unknown-unknown";
/// Debian's compiler, its cargo, the source of the standard library, and a linker.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
const DEBIAN_LINKER: &str = "wasm-ld-19";
/// Each view forgets its type where it is made, instead of being compiled anew into all that hold it:
/// a smaller panel, for a little work at run time.
const ERASED: &str = "--cfg=erase_components";

/// A way to compile for the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// The active toolchain has the standard library for the target.
    Toolchain,
    /// Debian's packages: the standard library is compiled along, from their source.
    Debian,
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Toolchain => "the active toolchain",
            Self::Debian => "Debian's rustc-web (with the standard library)",
        })
    }
}

/// Looks for a compiler, and installs one if it may.
pub(crate) fn find(house: &House, installing: Installing) -> Result<Compiler> {
    if toolchain_has_std() {
        return Ok(Compiler::Toolchain);
    }
    if debian_is_complete() {
        return Ok(Compiler::Debian);
    }
    if installing == Installing::Allowed && apt::can_install() {
        apt::install(&DEBIAN_PACKAGES, installing)?;
        if debian_is_complete() {
            return Ok(Compiler::Debian);
        }
    }
    if installing == Installing::Allowed && !house.ci && on_path("rustup").is_some() {
        let name = format!("rustup target add {TRIPLE} (downloads the standard library)");
        step::command(&name, Command::new("rustup").args(["target", "add", TRIPLE]))?;
        if toolchain_has_std() {
            return Ok(Compiler::Toolchain);
        }
    }
    bail!(
        "nothing here compiles to WASM; run one of\n  rustup target add {TRIPLE}\n  \
         apt-get install --no-install-recommends {}",
        DEBIAN_PACKAGES.join(" ")
    )
}

impl Compiler {
    /// The command that compiles the panel of the checkout `top` into `target`.
    pub(crate) fn build(&self, house: &House, top: &Path, target: &Path, profile: &str) -> Command {
        let mut cargo = match self {
            Self::Toolchain => step::cargo(),
            Self::Debian => debian_cargo(),
        };
        cargo.current_dir(top).args([
            "build",
            "--package",
            "vivarium-panel",
            "--bin",
            "vivarium-panel",
        ]);
        cargo.args(["--target", TRIPLE, "--profile", profile, "--target-dir"]).arg(target);
        if *self == Self::Debian {
            cargo.arg("-Zbuild-std=std,panic_abort");
        }
        cargo.env("RUSTFLAGS", ERASED);
        if house.ci {
            cargo.arg("--locked");
        }
        cargo
    }
}

fn debian_cargo() -> Command {
    let mut cargo = Command::new("/usr/bin/cargo");
    step::forget_ourselves(&mut cargo);
    for name in [
        "CARGO",
        "RUSTUP_TOOLCHAIN",
        "RUSTUP_HOME",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
    ] {
        cargo.env_remove(name);
    }
    // Building the standard library is unstable everywhere; here compiler and source are one pair.
    // Set for this child alone: it would rebuild proc-macro2 and all above it elsewhere.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env("RUSTC", "/usr/bin/rustc");
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER);
    cargo
}

fn toolchain_has_std() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TRIPLE]);
    let Ok(folder) = step::output(&mut rustc) else { return false };
    std::fs::read_dir(folder).is_ok_and(|files| {
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

fn debian_is_complete() -> bool {
    let mut rustc = Command::new("/usr/bin/rustc");
    rustc.args(["--print", "sysroot"]).env_remove("RUSTUP_TOOLCHAIN");
    let Ok(sysroot) = step::output(&mut rustc) else { return false };
    PathBuf::from(sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file()
        && Path::new("/usr/bin/cargo").is_file()
        && on_path(DEBIAN_LINKER).is_some()
}
