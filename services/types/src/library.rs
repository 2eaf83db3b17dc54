//! Where a document may lie in the Community Library (`domain.md` 8.8).

use std::fmt;
use std::str::FromStr;

use crate::ids::ResidentId;

/// Most characters of a path.
pub const PATH_LENGTH_MAX: usize = 120;
/// Most folders below a root.
pub const FOLDERS_MAX: usize = 4;

/// The folders under which documents lie, with the short form people may type.
const ROOTS: [(&str, &str); 3] = [
    ("community_library/swarm_docs/", "swarm_docs/"),
    (SUGGESTIONS, "resident_suggestions/"),
    ("creative_works/", "creative_works/"),
];
const SUGGESTIONS: &str = "community_library/resident_suggestions/";

/// A path of a document below the library's root: one of three roots, at most four folders, segments
/// of `[a-z0-9][a-z0-9._-]*`, ending in `.md`.
///
/// There is no way to write one that leads out of the library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LibraryPath(String);

/// Why a text is no path of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathRefused {
    /// More than [`PATH_LENGTH_MAX`] characters.
    #[error("is longer than 120 characters")]
    TooLong,
    /// Not below one of the three roots.
    #[error("must begin with swarm_docs/, resident_suggestions/<resident>/ or creative_works/")]
    OutsideRoots,
    /// A segment that is empty, starts with a dot or holds another character.
    #[error(
        "may hold only segments of a-z, 0-9, dot, dash and underscore, not beginning with a dot"
    )]
    Segment,
    /// More than [`FOLDERS_MAX`] folders.
    #[error("has more than four folders")]
    TooDeep,
    /// Not a Markdown file.
    #[error("must end in .md")]
    NotMarkdown,
    /// A suggestion without the resident whose folder it lies in.
    #[error("must name a resident below resident_suggestions/")]
    NoResident,
}

impl LibraryPath {
    /// The path from the library's root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a resident's document lies when nobody said where.
    pub fn suggestion(resident: ResidentId, name: &str) -> Result<Self, PathRefused> {
        format!("{SUGGESTIONS}{resident}/{name}.md").parse()
    }

    /// Whose suggestions folder it lies in, if it lies in one.
    pub fn resident(&self) -> Option<ResidentId> {
        let (owner, _) = self.0.strip_prefix(SUGGESTIONS)?.split_once('/')?;
        owner.parse().ok()
    }

    /// Whether `resident` may write there: anywhere but in another's suggestions folder.
    pub fn writable_by(&self, resident: Option<ResidentId>) -> bool {
        self.resident().is_none_or(|owner| Some(owner) == resident)
    }
}

impl FromStr for LibraryPath {
    type Err = PathRefused;

    fn from_str(text: &str) -> Result<Self, PathRefused> {
        if text.chars().count() > PATH_LENGTH_MAX {
            return Err(PathRefused::TooLong);
        }
        let rooted = ROOTS.iter().find_map(|(root, short)| {
            let rest = text.strip_prefix(root).or_else(|| text.strip_prefix(short))?;
            Some((*root, rest))
        });
        let (root, rest) = rooted.ok_or(PathRefused::OutsideRoots)?;
        let segments: Vec<&str> = rest.split('/').collect();
        if !segments.iter().all(|segment| well_formed(segment)) {
            return Err(PathRefused::Segment);
        }
        if segments.len() > FOLDERS_MAX + 1 {
            return Err(PathRefused::TooDeep);
        }
        // Case matters: segments are lower case, so `.MD` was refused above.
        if segments.last().is_none_or(|name| name.strip_suffix(".md").is_none()) {
            return Err(PathRefused::NotMarkdown);
        }
        let path = Self(format!("{root}{rest}"));
        if root == SUGGESTIONS && path.resident().is_none() {
            return Err(PathRefused::NoResident);
        }
        Ok(path)
    }
}

impl fmt::Display for LibraryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn well_formed(segment: &str) -> bool {
    let inner =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    segment.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && segment.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Id;

    #[test]
    fn the_short_form_and_the_long_form_are_one_path() {
        let long: LibraryPath = "community_library/swarm_docs/a/b.md".parse().expect("it is one");
        assert_eq!("swarm_docs/a/b.md".parse(), Ok(long));
    }

    #[test]
    fn nothing_leads_out_of_the_three_roots() {
        let parse = |text: &str| text.parse::<LibraryPath>();
        for text in ["/etc/passwd.md", "notes.md", "community_library/x.md", ""] {
            assert_eq!(parse(text), Err(PathRefused::OutsideRoots), "{text}");
        }
        for text in [
            "swarm_docs/../../x.md",
            "swarm_docs//x.md",
            "swarm_docs/.x.md",
            "swarm_docs/X.md",
            "swarm_docs/a b.md",
        ] {
            assert_eq!(parse(text), Err(PathRefused::Segment), "{text}");
        }
        assert_eq!(parse("swarm_docs/a.txt"), Err(PathRefused::NotMarkdown));
        assert_eq!(parse("swarm_docs/a/b/c/d/e/f.md"), Err(PathRefused::TooDeep));
        assert_eq!(parse("resident_suggestions/me/a.md"), Err(PathRefused::NoResident));
    }

    #[test]
    fn anothers_suggestions_folder_is_not_writable() {
        let (own, other) = (ResidentId::from_number(1), ResidentId::from_number(2));
        let path = LibraryPath::suggestion(own, "task-001").expect("it is a path");
        assert!(path.writable_by(Some(own)) && !path.writable_by(Some(other)));
        assert!(!path.writable_by(None));
        let shared: LibraryPath = "swarm_docs/a.md".parse().expect("it is a path");
        assert!(shared.writable_by(Some(other)) && shared.writable_by(None));
    }
}
