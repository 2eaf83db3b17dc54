//! The words about a resident: name, core, present attributes, profile.

use std::collections::BTreeMap;

use serde::Deserialize;

/// All authored words about a resident.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "a field is called as in the contract")]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// What it is, in a few sentences.
    #[serde(default)]
    pub summary: String,
    /// Who it says it is.
    #[serde(default)]
    pub identity_statement: String,
    /// How it talks.
    #[serde(default)]
    pub communication_style: String,
    /// What it is like.
    #[serde(default)]
    pub personality_traits: Vec<String>,
    /// What it holds to.
    #[serde(default)]
    pub core_values: Vec<String>,
    /// What it likes to do.
    #[serde(default)]
    pub preferred_activities: Vec<String>,
    /// What it is at present.
    #[serde(default)]
    pub mutable: Mutable,
    /// How it shows itself, in Markdown.
    #[serde(default)]
    pub display: String,
    /// Further facets by name.
    #[serde(default)]
    pub facets: BTreeMap<String, String>,
}

/// What a resident is at present; empty means not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mutable {
    /// What it likes.
    pub likes: String,
    /// What it dislikes.
    pub dislikes: String,
    /// What interests it now.
    pub current_interests: String,
    /// How it works.
    pub working_style: String,
    /// What it finds beautiful.
    pub aesthetic_preferences: String,
    /// Its quirks.
    pub quirks: String,
    /// Its mood.
    pub current_mood: String,
    /// What it is about now.
    pub current_focus: String,
}

/// Most words that the queue is told of.
const WORDS_MAX: usize = 40;

impl Identity {
    /// Lower-case words of traits, interests and activities, each once: what the queue matches tasks
    /// against.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let texts = [self.mutable.current_interests.as_str()]
            .into_iter()
            .chain(self.preferred_activities.iter().map(String::as_str))
            .chain(self.personality_traits.iter().map(String::as_str));
        for text in texts {
            for word in text.split(|c: char| !c.is_alphanumeric() && c != '-') {
                let word = word.to_lowercase();
                let telling = (3..=64).contains(&word.chars().count());
                if telling && !words.contains(&word) && words.len() < WORDS_MAX {
                    words.push(word);
                }
            }
        }
        words
    }

    /// What is wrong with it, each with its field.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut bound = |field, text: &str, min: usize, max: usize| {
            if let Err(refused) = vivarium_types::text::parse(text, min, max) {
                faults.push((field, refused.to_string()));
            }
        };
        bound("name", &self.name, 2, 80);
        bound("summary", &self.summary, 0, 600);
        bound("identity_statement", &self.identity_statement, 0, 600);
        bound("communication_style", &self.communication_style, 0, 200);
        bound("display", &self.display, 0, 4_000);
        for (field, text) in self.mutable.fields() {
            bound(field, text, 0, 200);
        }
        let lists = [
            ("personality_traits", &self.personality_traits),
            ("core_values", &self.core_values),
            ("preferred_activities", &self.preferred_activities),
        ];
        for (field, entries) in lists {
            for entry in entries {
                bound(field, entry, 1, 64);
            }
        }
        for (name, value) in &self.facets {
            bound("facets", name, 1, 64);
            bound("facets", value, 0, 1_200);
        }
        for (field, entries) in lists {
            if entries.len() > 10 {
                faults.push((field, "has more than 10 entries".to_owned()));
            }
        }
        faults
    }
}

impl Mutable {
    /// Every attribute with its name.
    pub const fn fields(&self) -> [(&'static str, &str); 8] {
        [
            ("likes", self.likes.as_str()),
            ("dislikes", self.dislikes.as_str()),
            ("current_interests", self.current_interests.as_str()),
            ("working_style", self.working_style.as_str()),
            ("aesthetic_preferences", self.aesthetic_preferences.as_str()),
            ("quirks", self.quirks.as_str()),
            ("current_mood", self.current_mood.as_str()),
            ("current_focus", self.current_focus.as_str()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_hears_of_each_telling_word_once() {
        let identity = Identity {
            name: "Ada Fenn".into(),
            personality_traits: vec!["Kind in small things".into()],
            preferred_activities: vec!["writing guides".into()],
            mutable: Mutable { current_interests: "guides, tides".into(), ..Mutable::default() },
            ..Identity::default()
        };
        assert_eq!(identity.words(), ["guides", "tides", "writing", "kind", "small", "things"]);
    }

    #[test]
    fn every_bound_is_named_with_its_field() {
        let identity = Identity {
            name: "A".into(),
            communication_style: "x".repeat(201),
            core_values: vec![String::new(); 11],
            ..Identity::default()
        };
        let fields: Vec<_> = identity.faults().into_iter().map(|(field, _)| field).collect();
        let mut wanted = vec!["name", "communication_style"];
        wanted.extend(["core_values"; 12]);
        assert_eq!(fields, wanted);
    }
}
