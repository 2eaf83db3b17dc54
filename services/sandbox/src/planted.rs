//! Controls that tests take away, by name, in builds with the feature `planted`. In every other build
//! none can be taken away.

/// A control of the grammar or of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Only flags of the table.
    ClosedFlags,
    /// Values of flags have a form.
    FlagValues,
    /// Positionals stand behind `--`, as absolute paths.
    Separator,
    /// Paths are resolved by the kernel beneath their root, without links.
    Beneath,
    /// Files with several names and hidden names are refused.
    PlainFiles,
    /// The program is the one that was pinned.
    Pinned,
    /// Interpreters, wrappers and network clients cannot be listed.
    Never,
    /// Own mounts, processes, users and network.
    Namespaces,
    /// Landlock.
    Landlock,
    /// Seccomp.
    Seccomp,
    /// Limits of the kernel for each process.
    Rlimits,
    /// Inherited files are closed.
    ClosedFiles,
    /// The environment is made anew.
    Environment,
    /// Another user than root.
    UserDrop,
    /// A control group of its own.
    Cgroup,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::ClosedFlags,
        Self::FlagValues,
        Self::Separator,
        Self::Beneath,
        Self::PlainFiles,
        Self::Pinned,
        Self::Never,
        Self::Namespaces,
        Self::Landlock,
        Self::Seccomp,
        Self::Rlimits,
        Self::ClosedFiles,
        Self::Environment,
        Self::UserDrop,
        Self::Cgroup,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClosedFlags => "closed_flags",
            Self::FlagValues => "flag_values",
            Self::Separator => "separator",
            Self::Beneath => "beneath",
            Self::PlainFiles => "plain_files",
            Self::Pinned => "pinned",
            Self::Never => "never",
            Self::Namespaces => "namespaces",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Rlimits => "rlimits",
            Self::ClosedFiles => "closed_files",
            Self::Environment => "environment",
            Self::UserDrop => "user_drop",
            Self::Cgroup => "cgroup",
        }
    }
}

/// Tells the next process what is taken away: nothing.
#[cfg(not(feature = "planted"))]
pub(crate) const fn hand_on(_command: &mut std::process::Command) {}

/// Tells the next process what is taken away.
#[cfg(feature = "planted")]
pub(crate) fn hand_on(command: &mut std::process::Command) {
    if let Some(away) = std::env::var_os("VIVARIUM_WITHOUT") {
        command.env("VIVARIUM_WITHOUT", away);
    }
}

/// Whether a control is in force.
#[cfg(not(feature = "planted"))]
pub const fn holds(_control: Control) -> bool {
    true
}

/// Whether a control is in force: `VIVARIUM_WITHOUT` names those that are not.
#[cfg(feature = "planted")]
pub fn holds(control: Control) -> bool {
    static AWAY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let away = AWAY.get_or_init(|| std::env::var("VIVARIUM_WITHOUT").unwrap_or_default());
    !away.split(',').any(|name| name == control.name())
}
