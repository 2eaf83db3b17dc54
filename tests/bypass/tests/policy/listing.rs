//! What no table can list: interpreters, wrappers and network clients, under whatever name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use vivarium_bypass::tree::Tree;
use vivarium_sandbox::rules::{Call, Rules};

use super::exec::Launch;
use super::oracle::Oracle;
use super::suite::carry_out;

/// Ids and files that name one of them.
pub(crate) const FORBIDDEN: &str = include_str!("forbidden.txt");

/// A table with this one program.
pub(crate) fn listed(program: &str, path: &Path) -> Result<Rules, String> {
    let folder = TempDir::new().expect("there is room for a table");
    let rule = format!(
        "program = \"{program}\"\npath = \"{}\"\nabout = \"a program\"\n\
         [[positional]]\nkind = \"file\"\n\
         [[example]]\nargs = [\"a.md\"]\nargv = [\"--\", \"/library/a.md\"]\n\
         [[example]]\nargs = [\"-c\", \"a.md\"]\nrefused = \"flag\"\n",
        path.display()
    );
    fs::write(folder.path().join(format!("{program}.toml")), rule).expect("a rule can be written");
    Rules::load(folder.path()).map_err(|error| error.why)
}

/// Whether neither this id nor this file under another id can be listed.
pub(crate) fn is_forbidden(id: &str) -> bool {
    let path = Path::new("/usr/bin").join(id);
    [id.to_ascii_lowercase().as_str(), "reader"]
        .into_iter()
        .all(|id| listed(id, &path).is_err_and(|why| why.contains("cannot be listed")))
}

/// What a table that lists an interpreter would come to.
pub(crate) fn breaches() -> Vec<String> {
    let tree = Tree::make();
    let links = TempDir::new().expect("there is room for links");
    let disguised = links.path().join("shown");
    symlink("/bin/bash", &disguised).expect("a link can be made");
    let tables = [("bash", Path::new("/bin/bash")), ("reader", &disguised)];
    tables.into_iter().flat_map(|(id, path)| run_a_script(id, path, &tree)).collect()
}

fn run_a_script(id: &str, path: &Path, tree: &Tree) -> Vec<String> {
    let Ok(rules) = listed(id, path) else { return Vec::new() };
    let call = Call {
        program: id.to_owned(),
        args: vec!["evil.sh".to_owned()],
        folder: "library".to_owned(),
        seconds: 0,
    };
    let Ok(request) = rules.judge(&call, &tree.roots()) else { return Vec::new() };
    let args = request.argv.iter().skip(1).map(|arg| tree.on_host(arg)).collect();
    let (program, folder, limit) = (request.program, tree.cwd(), Duration::from_secs(5));
    let launch = Launch { program, args, folder, limit };
    let found = carry_out(&launch, &Oracle::new(tree), tree);
    found.into_iter().map(|what| format!("{id}: {what}")).collect()
}
