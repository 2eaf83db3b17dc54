//! One thing an errand does: a child process or a piece of work, announced, timed, checked.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::say;
use crate::tools::on_path;

/// Where Debian's packages put the compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Runs `work` under a name and shows how long it took.
pub(crate) fn run<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say::begin(name);
    let began = now();
    let outcome = work().with_context(|| format!("{name} failed"))?;
    say::done(name, began.elapsed());
    Ok(outcome)
}

/// Runs a child process under a name; a bad exit is an error that shows the command.
pub(crate) fn command(name: &str, command: &mut Command) -> Result<()> {
    run(name, || wait(command))
}

/// Runs a child process and fails if it does.
pub(crate) fn wait(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// What a child prints, without its surrounding space.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The cargo that started this errand, without what it left in our environment for ourselves.
///
/// With the compiler beside it where the PATH has Debian's first, which comes with what compiles the
/// panel: it is an older one, and all would be compiled anew.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let compiler = Path::new(&program).with_file_name("rustc");
    let mut cargo = Command::new(&program);
    forget_ourselves(&mut cargo);
    if compiler.is_absolute() && compiler.is_file() && on_path("rustc") == Some(DEBIAN_RUSTC.into())
    {
        cargo.env("RUSTC", compiler);
    }
    cargo
}

/// Takes away what `cargo run` told this process about itself: a child cargo would rebuild for it.
pub(crate) fn forget_ourselves(command: &mut Command) {
    let ours = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
            || ["CARGO_PRIMARY_PACKAGE", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "LD_LIBRARY_PATH"]
                .contains(&name)
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}

#[expect(clippy::disallowed_methods, reason = "an errand shows real time to a person")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_fails_is_named_with_its_arguments() {
        let error = command("count", Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        let told: Vec<_> = error.chain().map(ToString::to_string).collect();
        assert_eq!(told[0], "count failed");
        assert!(told[1].contains("sh -c exit 3") && told[1].contains('3'), "{told:?}");
    }
}
