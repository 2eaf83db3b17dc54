//! What we compare with: frameworks in a Python environment below the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::model::Model;
use crate::row::{Cell, Row};

/// Seconds after which a cell has failed.
const CELL_MAX: &str = "600";

/// The scripts by the name of what they measure.
pub(crate) const ALL: [(&str, &str); 2] =
    [("langgraph", "langgraph_peer.py"), ("agent-framework", "agent_framework_peer.py")];

/// The scripts, with what they need.
pub(crate) struct Peers {
    scripts: PathBuf,
    python: PathBuf,
}

#[derive(Deserialize)]
struct Told {
    name: String,
    cycles: usize,
    seconds: f64,
    cpu_ms: f64,
    peak_kib: u64,
}

impl Peers {
    /// Installs what the scripts need in `folder`, unless it is there.
    pub(crate) fn install(scripts: PathBuf, folder: &Path) -> Result<Self> {
        let (wanted, noted) = (scripts.join("requirements.txt"), folder.join("requirements.txt"));
        let python = folder.join("bin/python");
        let needs = std::fs::read_to_string(&wanted)?;
        if std::fs::read_to_string(&noted).is_ok_and(|there| there == needs) {
            return Ok(Self { scripts, python });
        }
        quiet(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--requirement"];
        quiet(Command::new(&python).args(install).arg(&wanted))?;
        std::fs::write(noted, needs)?;
        Ok(Self { scripts, python })
    }

    /// Runs a cell of one of them, in this folder.
    pub(crate) fn run(
        &self,
        script: &str,
        cell: Cell,
        folder: &Path,
        model: &Model,
    ) -> Result<Row> {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", CELL_MAX]).arg(&self.python);
        command.arg(self.scripts.join(script)).arg(&model.base_url).arg(folder);
        command.args([cell.residents.to_string(), cell.cycles.to_string()]);
        // Byte code is no part of the tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
        let output = command.output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        let Some(line) = told.lines().last().filter(|_| output.status.success()) else {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("it ended with {}: {}", output.status, error.lines().last().unwrap_or_default());
        };
        let told: Told = serde_json::from_str(line).context("it did not answer with a row")?;
        let Told { name, cycles, seconds, cpu_ms, peak_kib } = told;
        let (cell, parts) = (Cell { cycles, ..cell }, Vec::new());
        Ok(Row { name, cell, seconds, cpu_ms, peak_kib, parts, missing: None })
    }
}

/// Runs to the end without a word, unless it fails.
fn quiet(command: &mut Command) -> Result<()> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{shown} is not here"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed: {}", error.lines().last().unwrap_or_default());
    }
    Ok(())
}
