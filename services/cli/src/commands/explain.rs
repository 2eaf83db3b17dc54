//! `vivarium explain`: the page of a reason, built in.

use rust_embed::RustEmbed;
use serde_json::json;
use vivarium_types::Reason;

use crate::console::Console;
use crate::failure::Failure;
use crate::render;

#[derive(RustEmbed)]
#[folder = "../../docs/errors"]
#[include = "*.md"]
struct Pages;

pub(super) fn run(console: &Console, reason: Option<&str>) -> Result<(), Failure> {
    let Some(name) = reason else { return list(console) };
    let upper = name.to_uppercase();
    let reason: Reason = upper.parse().map_err(|_| {
        Failure::refused(format!("there is no reason {name}"), "list them with `vivarium explain`")
    })?;
    let page = Pages::get(&format!("{}.md", reason.name()));
    let page = page.and_then(|page| String::from_utf8(page.data.into_owned()).ok());
    if console.json {
        return render::json(&json!({
            "reason": reason.name(), "sentence": reason.sentence(), "hint": reason.hint(),
            "page": page,
        }));
    }
    match page {
        Some(page) => render::line(page.trim_end()),
        None => render::line(&format!(
            "{}\n  {}\n  hint: {}",
            reason.name(),
            reason.sentence(),
            reason.hint()
        )),
    }
}

fn list(console: &Console) -> Result<(), Failure> {
    if console.json {
        let names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        return render::json(&names);
    }
    let rows: Vec<Vec<String>> = Reason::ALL
        .iter()
        .map(|reason| vec![reason.name().to_owned(), reason.sentence().to_owned()])
        .collect();
    render::table(&["REASON", "MEANING"], &rows)
}
