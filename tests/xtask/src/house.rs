//! Where things lie: the top of the tree, the target folder, and what kind of run this is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The tree and the places beside it that errands write to.
#[derive(Debug, Clone)]
pub(crate) struct House {
    /// The top of the tree.
    pub(crate) top: PathBuf,
    /// Cargo's target folder: nothing but caches lies below it.
    pub(crate) target: PathBuf,
    /// Whether the gate runs this, and not a person.
    pub(crate) ci: bool,
}

impl House {
    /// Finds the house around this program.
    pub(crate) fn find() -> Result<Self> {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built_in =
            crate_folder.ancestors().nth(2).context("tests/xtask lies two levels deep")?;
        // A shared target folder may hold a program that another checkout built.
        let here = std::env::current_dir().context("the working folder cannot be read")?;
        let top = here
            .ancestors()
            .find(|folder| folder.join("tests/xtask/Cargo.toml").is_file())
            .unwrap_or(built_in);
        let program = std::env::current_exe().context("the path of xtask is not known")?;
        let target = program.ancestors().nth(2).context("xtask lies in target/<profile>")?;
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        Ok(Self { top: top.to_owned(), target: target.to_owned(), ci })
    }

    /// The folder of the tools that errands install, each under its own name.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The folder of the programs that cargo built with `profile`.
    pub(crate) fn programs(&self, profile: &str) -> PathBuf {
        self.target.join(profile)
    }
}
