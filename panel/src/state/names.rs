//! Names of residents and titles of tasks, so that no page shows an id where a name is known.

use std::collections::{BTreeMap, BTreeSet};

/// What is known by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    residents: BTreeMap<String, (String, String)>,
    tasks: BTreeMap<String, String>,
    wanted: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl Names {
    /// Learns a resident's name and handle.
    pub(crate) fn learn_resident(&mut self, id: &str, name: &str, handle: &str) {
        self.residents.insert(id.to_owned(), (name.to_owned(), handle.to_owned()));
    }

    /// Learns a task's title.
    pub(crate) fn learn_task(&mut self, id: &str, title: &str) {
        self.wanted.remove(id);
        self.tasks.insert(id.to_owned(), title.to_owned());
    }

    /// A resident's name.
    pub(crate) fn resident(&self, id: &str) -> Option<&str> {
        self.residents.get(id).map(|(name, _)| name.as_str())
    }

    /// All residents, by name: id, name, handle.
    pub(crate) fn residents(&self) -> Vec<(String, String, String)> {
        let mut all: Vec<_> = self
            .residents
            .iter()
            .map(|(id, (name, handle))| (id.clone(), name.clone(), handle.clone()))
            .collect();
        all.sort_by(|one, other| one.1.cmp(&other.1));
        all
    }

    /// A task's title.
    pub(crate) fn task(&self, id: &str) -> Option<&str> {
        self.tasks.get(id).map(String::as_str)
    }

    /// Somebody shows this task and does not know its title.
    pub(crate) fn want_task(&mut self, id: &str) {
        if !self.tasks.contains_key(id) && !self.asked.contains(id) {
            self.wanted.insert(id.to_owned());
        }
    }

    /// At most `most` tasks whose titles are wanted; each is handed out once.
    pub(crate) fn take_wanted(&mut self, most: usize) -> Vec<String> {
        let taken: Vec<_> = self.wanted.iter().take(most).cloned().collect();
        for id in &taken {
            self.wanted.remove(id);
            self.asked.insert(id.clone());
        }
        taken
    }
}

/// Which of eight hues a name has, the same on every page (FNV-1a; ids of one minute differ at their end
/// alone, and its last letter reaches the bits that are taken).
pub(crate) fn hue(id: &str) -> u8 {
    let mix = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let mixed = id.bytes().fold(0x811c_9dc5, mix);
    u8::try_from(mixed >> 24 & 7).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_asked_for_once() {
        let mut names = Names::default();
        names.want_task("tsk_1");
        names.want_task("tsk_1");
        assert_eq!(names.take_wanted(9), ["tsk_1"]);
        names.want_task("tsk_1");
        assert!(names.take_wanted(9).is_empty());
        names.learn_task("tsk_1", "Guide");
        assert_eq!(names.task("tsk_1"), Some("Guide"));
    }

    #[test]
    fn residents_are_listed_by_name() {
        let mut names = Names::default();
        names.learn_resident("res_2", "Ada", "ada");
        names.learn_resident("res_1", "Bo", "bo");
        let listed: Vec<_> = names.residents().into_iter().map(|(_, name, _)| name).collect();
        assert_eq!(listed, ["Ada", "Bo"]);
        let hues: BTreeSet<_> = ["res_1", "res_2", "res_3", "res_4"].into_iter().map(hue).collect();
        assert!(hues.len() > 1 && hues.iter().all(|hue| *hue < 8), "{hues:?}");
    }
}
