//! Programs of the table, run in the sandbox: what the executor knows of them.
//!
//! The table and the layers are `vivarium-sandbox`'s; here lies which folders may be read, and the
//! rule that nothing runs while a layer is missing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;
use vivarium_sandbox::layer::Report;
use vivarium_sandbox::request::{End, Outcome, Request};
use vivarium_sandbox::roots::{Root, Roots};
use vivarium_sandbox::rules::{Call, Refused, Rules};
use vivarium_sandbox::run::{self, Running};
use vivarium_types::Reason;

/// The folder of the table, below the world's rules.
const FOLDER: &str = "commands";

/// What may be run, and where.
#[derive(Debug)]
pub struct Commands {
    rules: Result<Rules, String>,
    helper: PathBuf,
    roots: Roots,
    /// The last report; asked for again as long as it is not complete, so that what was installed
    /// meanwhile counts. Written by [`Commands::report`] alone.
    report: Mutex<Option<Report>>,
}

impl Commands {
    /// The table below `rules`, over the library and the named workspaces.
    pub fn load(rules: &Path, library: &Path, workspaces: &BTreeMap<String, PathBuf>) -> Self {
        let rules = Rules::load(&rules.join(FOLDER)).map_err(|error| error.to_string());
        if let Err(error) = &rules {
            tracing::error!(error, "no program may be run: the table is not valid");
        }
        let library = Root { name: "library".to_owned(), host: library.to_owned() };
        let named = workspaces
            .iter()
            .map(|(name, folder)| Root { name: format!("workspace:{name}"), host: folder.clone() });
        let helper = run::beside_me();
        let roots = Roots::new(std::iter::once(library).chain(named).collect());
        Self { rules, helper, roots, report: Mutex::new(None) }
    }

    /// The table, or why there is none.
    pub fn rules(&self) -> Result<&Rules, &str> {
        self.rules.as_ref().map_err(String::as_str)
    }

    /// The programs with what each is for, on one line, for a briefing; `None` where there are none.
    pub fn offered(&self) -> Option<String> {
        let programs = self.rules.as_ref().ok()?.programs();
        let told: Vec<_> = programs.map(|(id, it)| format!("{id}: {}", it.about())).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// The folders that may be read.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter()
    }

    /// How the sandbox stands on this machine.
    pub async fn report(&self) -> Report {
        let mut kept = self.report.lock().await;
        if let Some(report) = kept.as_ref().filter(|report| report.is_complete()) {
            return report.clone();
        }
        let helper = self.helper.clone();
        let report = tokio::task::spawn_blocking(move || run::probe(&helper)).await;
        let report = report.unwrap_or_default();
        *kept = Some(report.clone());
        report
    }

    /// What a call comes to, without running it.
    pub fn judge(&self, call: &Call) -> Result<Request, Refused> {
        match &self.rules {
            Ok(rules) => rules.judge(call, &self.roots),
            Err(why) => Err(Refused::whole(Reason::CommandNotListed, "table", why.clone())),
        }
    }

    /// Runs what [`Commands::judge`] made. Ends it, and all it started, when `stopped` resolves.
    pub async fn run(
        &self,
        request: &Request,
        stopped: impl Future<Output = ()>,
    ) -> Result<Outcome, Refused> {
        let incomplete = |why| Refused::whole(Reason::SandboxIncomplete, "sandbox", why);
        if let Some(missing) = self.report().await.missing() {
            return Err(incomplete(missing));
        }
        let running = Running::start(&self.helper, request);
        let mut running = running.map_err(|error| incomplete(format!("helper: {error}")))?;
        let input = running.stopper();
        let mut ended = tokio::task::spawn_blocking(move || running.wait());
        let outcome = tokio::select! {
            outcome = &mut ended => outcome,
            () = stopped => {
                drop(input);
                ended.await
            }
        };
        let outcome = outcome.map_err(|error| incomplete(format!("helper: {error}")))?;
        match outcome.end {
            End::Refused(why) => Err(incomplete(why)),
            End::Exited(_) | End::Signalled(_) | End::TimedOut | End::OutputFull | End::Stopped => {
                Ok(outcome)
            }
        }
    }
}

/// The commands of an executor, shared.
pub type Shared = Arc<Commands>;

/// How a run ended, in words.
pub fn told(end: &End) -> String {
    match end {
        End::Exited(code) => format!("exit code {code}"),
        End::Signalled(signal) => format!("ended by signal {signal}"),
        End::TimedOut => "its time was up".to_owned(),
        End::OutputFull => "it wrote more than it may".to_owned(),
        End::Stopped => "it was stopped".to_owned(),
        End::Refused(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_runs_while_a_layer_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let rules = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../world/rules"));
        let mut commands = Commands::load(rules, folder.path(), &BTreeMap::new());
        commands.helper = folder.path().join("no-helper");
        std::fs::write(folder.path().join("a.md"), "one\n").expect("it writes");
        let call = Call {
            program: "wc".to_owned(),
            args: vec!["a.md".to_owned()],
            folder: "library".to_owned(),
            seconds: 0,
        };
        let request = commands.judge(&call).expect("the table has it");
        let refused = commands.run(&request, std::future::pending()).await.expect_err("no helper");
        assert_eq!(refused.reason, Reason::SandboxIncomplete);
        assert!(refused.why.starts_with("helper: "), "{}", refused.why);
    }

    #[tokio::test]
    async fn a_table_with_a_fault_lists_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let table = folder.path().join(FOLDER);
        std::fs::create_dir(&table).expect("a folder");
        std::fs::write(table.join("wc.toml"), "program = 7").expect("it writes");
        let commands = Commands::load(folder.path(), folder.path(), &BTreeMap::new());
        assert!(commands.rules().expect_err("it has a fault").contains("wc.toml"));
        let call = Call {
            program: "wc".to_owned(),
            args: Vec::new(),
            folder: "library".to_owned(),
            seconds: 0,
        };
        let refused = commands.judge(&call).expect_err("nothing is listed");
        assert_eq!(refused.reason, Reason::CommandNotListed);
    }
}
