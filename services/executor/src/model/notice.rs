//! Notices a local server that a person may already run. It is only reported: nothing is sent to it
//! but this look, and it is used only once a person agreed.

use std::time::Duration;

use serde_json::Value;

use super::http;
use super::profile::{Kind, Profile};

/// How long the look may take: what is there on this machine answers at once.
const WAIT: Duration = Duration::from_millis(500);
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 1024 * 1024;

/// A server that was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// Which server it is.
    pub kind: Kind,
    /// Where it listens, up to and with `/v1`.
    pub base_url: String,
    /// The models it has.
    pub models: Vec<String>,
}

/// Looks whether an Ollama listens at the address of its profile.
pub async fn ollama(profile: &Profile) -> Option<Noticed> {
    tokio::time::timeout(WAIT, look(profile)).await.ok().flatten()
}

async fn look(profile: &Profile) -> Option<Noticed> {
    let client = http::client(&profile.base_url, WAIT).ok()?;
    let mut url = profile.base_url.clone();
    url.set_path("/api/tags");
    let response = client.get(url).send().await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let list: Value = serde_json::from_slice(&http::body(response, ANSWER_BYTES).await).ok()?;
    let entries = list["models"].as_array()?.iter();
    let models = entries.filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect();
    let base_url = profile.base_url.as_str().trim_end_matches('/').to_owned();
    Some(Noticed { kind: Kind::Ollama, base_url, models })
}
