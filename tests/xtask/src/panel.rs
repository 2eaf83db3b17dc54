//! `cargo xtask panel`: the control panel, from Rust to the files that the gateway embeds.
//!
//! Compile to WASM ([`compiler`]) → bind to the browser and name by content ([`bundle`]) → compress
//! ([`compressed`]) → keep the budget. The result replaces `panel/dist` in one move.

mod bundle;
mod compiler;
mod compressed;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::house::House;
use crate::tools::Installing;
use crate::{say, step};

/// Most bytes a browser loads before it shows the panel, brotli-compressed.
const BUDGET_BYTES: u64 = 700_000;

/// Builds the control panel into `panel/dist`.
///
/// The panel is Rust compiled to WASM. The compiler is looked for in this order: the active
/// toolchain, if it has the standard library for wasm32-unknown-unknown; Debian's packages
/// rustc-web, cargo-web, rust-web-src and lld-19, installed here if you are root on Debian or
/// Ubuntu; `rustup target add`, never in CI. The outcome is named by its content, lies beside
/// `.br` and `.gz` copies, and may have at most 700 kB in brotli.
///
/// A first build takes minutes, because it compiles the standard library too; later ones half a
/// minute, with `--dev` less.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Compile faster into larger files, without the size budget.
    #[arg(long)]
    pub(crate) dev: bool,
    /// Install nothing: stop and say what is missing.
    #[arg(long)]
    pub(crate) no_install: bool,
    /// Build the panel of another checkout of the workspace.
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) top: Option<PathBuf>,
}

/// Builds the panel.
pub(crate) fn run(house: &House, args: &Args) -> Result<()> {
    let top = args.top.as_deref().unwrap_or(&house.top);
    let profile = if args.dev { "wasm-dev" } else { "wasm-release" };
    let compiler = compiler::find(house, Installing::unless(args.no_install))?;
    let target = house.target.join("panel");
    step::command(
        &format!("compile the panel with {compiler}"),
        &mut compiler.build(house, top, &target, profile),
    )?;

    let wasm = target.join(compiler::TRIPLE).join(profile).join("vivarium-panel.wasm");
    let fresh = top.join("panel/dist.tmp");
    let dist = top.join("panel/dist");
    let files = step::run("bind, name and compress the panel", || {
        recreate(&fresh)?;
        bundle::write(&top.join("panel"), &wasm, &fresh)?;
        compressed::beside(
            &fresh,
            if args.dev { compressed::Effort::Quick } else { compressed::Effort::Full },
        )
    })?;
    let total: u64 = files.iter().map(|file| file.brotli).sum();
    for file in &files {
        say::note(format_args!(
            "{:>10}  {:>10} br  {}",
            say::size(file.raw),
            say::size(file.brotli),
            file.name
        ));
    }
    say::note(format_args!(
        "together {} of {} in brotli",
        say::size(total),
        say::size(BUDGET_BYTES)
    ));
    if !args.dev && total > BUDGET_BYTES {
        bail!("the panel is larger than its budget; it stays in {}", fresh.display());
    }
    replace(&dist, &fresh)
}

fn recreate(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn replace(old: &Path, new: &Path) -> Result<()> {
    if old.exists() {
        fs::remove_dir_all(old).with_context(|| format!("cannot clear {}", old.display()))?;
    }
    fs::rename(new, old).with_context(|| format!("cannot put {} in place", old.display()))
}
