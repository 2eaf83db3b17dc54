//! Landlock: what exists inside the namespaces is not yet what may be used.
//!
//! Everything the kernel knows is handled and refused, but for the rules below; a kernel that cannot
//! enforce the least form ([`LEAST`]) gives an error and not less protection. Signals and abstract
//! sockets, which only newer kernels know, are kept in by the namespaces as well.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};

use super::PROGRAM;

/// From the strictest form to the least one: version 3 is the first that guards truncation.
const FORMS: [ABI; 4] = [ABI::V6, ABI::V5, ABI::V4, LEAST];
/// The least form.
const LEAST: ABI = ABI::V3;
/// Dynamic loaders, which the kernel runs for a program.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];
/// What programs need of the machine, to read: bubblewrap brings it in, Landlock lets it be read.
pub(crate) const LIBRARIES: [&str; 5] =
    ["/usr/lib", "/usr/lib64", "/usr/share/locale", "/usr/share/misc", "/etc/ld.so.cache"];

/// Puts this process under the rules; tells which form is in force.
pub(super) fn restrict(roots: &[String]) -> Result<String, String> {
    let mut why = String::new();
    for form in FORMS {
        match try_form(form, roots) {
            Ok(()) => return Ok(format!("version {}", form as i32)),
            Err(error) => why = error,
        }
    }
    Err(format!("this kernel does not enforce Landlock version {}: {why}", LEAST as i32))
}

fn try_form(form: ABI, roots: &[String]) -> Result<(), String> {
    let rules = ruleset(form).map_err(|error| error.to_string())?;
    let rules = allow(rules, form, roots)?;
    let status = rules.restrict_self().map_err(|error| error.to_string())?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => {
            Err("it is not enforced whole".to_owned())
        }
    }
}

fn ruleset(form: ABI) -> Result<RulesetCreated, RulesetError> {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let mut rules = rules.handle_access(AccessFs::from_all(form))?;
    if form >= ABI::V4 {
        rules = rules.handle_access(AccessNet::from_all(form))?;
    }
    if form >= ABI::V6 {
        rules = rules.scope(Scope::from_all(form))?;
    }
    rules.create()
}

fn allow(mut rules: RulesetCreated, form: ABI, roots: &[String]) -> Result<RulesetCreated, String> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let run = AccessFs::ReadFile | AccessFs::Execute;
    let scratch = AccessFs::from_all(form) & !BitFlags::from(AccessFs::Execute);
    let scratch = scratch & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock);
    for path in LIBRARIES.into_iter().filter(|path| Path::new(path).exists()) {
        rules = add(rules, path, read)?;
    }
    for path in LOADERS.into_iter().filter(|path| Path::new(path).exists()) {
        rules = add(rules, path, run)?;
    }
    rules = add(rules, PROGRAM, run)?;
    rules = add(rules, "/dev/null", AccessFs::ReadFile | AccessFs::WriteFile)?;
    rules = add(rules, "/tmp", scratch)?;
    for root in roots {
        rules = add(rules, root, read)?;
    }
    Ok(rules)
}

fn add(
    rules: RulesetCreated,
    path: &str,
    rights: impl Into<BitFlags<AccessFs>>,
) -> Result<RulesetCreated, String> {
    let told = |error: &dyn std::fmt::Display| format!("{path}: {error}");
    let file = PathFd::new(path).map_err(|error| told(&error))?;
    // A right on what a folder holds means nothing on a file, and the kernel says so.
    let mut rights = rights.into();
    if !Path::new(path).is_dir() {
        rights &= AccessFs::from_file(ABI::V6);
    }
    rules.add_rule(PathBeneath::new(file, rights)).map_err(|error| told(&error))
}
