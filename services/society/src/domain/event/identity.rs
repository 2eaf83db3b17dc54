//! The words about a resident as the text beside the log: `vivarium.identity.v1.Identity` as JSON.

use vivarium_proto::identity::v1 as pb;

use super::super::identity::{Identity, Mutable};
use super::NotAnEvent;

/// An identity as its published JSON.
///
/// # Panics
/// Never: every message has a JSON form.
pub fn to_json(identity: Identity) -> String {
    serde_json::to_string(&wire(identity)).expect("every message has a JSON form")
}

/// An identity from its published JSON.
pub fn of_json(json: &str) -> Result<Identity, NotAnEvent> {
    let wire: pb::Identity = serde_json::from_str(json).map_err(|_| NotAnEvent("identity"))?;
    Ok(read(wire))
}

/// An identity on the wire.
pub fn wire(it: Identity) -> pb::Identity {
    let Mutable {
        likes,
        dislikes,
        current_interests,
        working_style,
        aesthetic_preferences,
        quirks,
        current_mood,
        current_focus,
    } = it.mutable;
    pb::Identity {
        name: it.name,
        summary: it.summary,
        core: Some(pb::Core {
            identity_statement: it.identity_statement,
            communication_style: it.communication_style,
            personality_traits: it.personality_traits,
            core_values: it.core_values,
        }),
        mutable: Some(pb::Mutable {
            likes,
            dislikes,
            current_interests,
            working_style,
            aesthetic_preferences,
            quirks,
            current_mood,
            current_focus,
        }),
        profile: Some(pb::Profile {
            display: it.display,
            facets: it.facets.into_iter().collect(),
            preferred_activities: it.preferred_activities,
        }),
    }
}

/// An identity from the wire.
pub fn read(it: pb::Identity) -> Identity {
    let core = it.core.unwrap_or_default();
    let pb::Mutable {
        likes,
        dislikes,
        current_interests,
        working_style,
        aesthetic_preferences,
        quirks,
        current_mood,
        current_focus,
    } = it.mutable.unwrap_or_default();
    let profile = it.profile.unwrap_or_default();
    Identity {
        name: it.name,
        summary: it.summary,
        identity_statement: core.identity_statement,
        communication_style: core.communication_style,
        personality_traits: core.personality_traits,
        core_values: core.core_values,
        preferred_activities: profile.preferred_activities,
        mutable: Mutable {
            likes,
            dislikes,
            current_interests,
            working_style,
            aesthetic_preferences,
            quirks,
            current_mood,
            current_focus,
        },
        display: profile.display,
        facets: profile.facets.into_iter().collect(),
    }
}
