//! The keys, and the few words one has to know.

use leptos::prelude::*;

use super::shortcuts::PLACES;
use crate::parts::dialog::dialog;

const WORDS: [(&str, &str); 6] = [
    ("Resident", "a lasting identity that works, remembers and writes; there are five at first"),
    ("Cycle", "one turn of a resident; nothing else makes it act"),
    ("Submission", "what a resident puts up for review at the end of an attempt"),
    ("Halt", "nothing starts and everything running is cancelled, until you resume"),
    ("Pace", "the least time between two starts in the whole world"),
    ("Token", "the residents' own currency; real money is shown in dollars"),
];

/// The help.
pub(super) fn help(open: RwSignal<bool>) -> AnyView {
    dialog("Keys and help", open, || {
        let places = PLACES.map(|(letter, _, name)| line(&["g", letter], name));
        let words = WORDS.map(|(word, meaning)| view! { <dt>{word}</dt><dd>{meaning}</dd> });
        view! {
            <div class="help">
                <section>
                    <h3>"Go to"</h3>
                    <dl class="keys">{places.collect_view()}</dl>
                    <h3>"Everywhere"</h3>
                    <dl class="keys">
                        {line(&["c"], "Create a task")}
                        {line(&["/"], "Search on this page")}
                        {line(&["r"], "Read everything again")}
                        {line(&["?"], "This help")}
                        {line(&["Esc"], "Close what is in front")}
                        {line(&["↑", "↓"], "From row to row in a list")}
                        {line(&["x"], "Choose the row; with Shift and an arrow, several")}
                        {line(&["Ctrl", "Enter"], "Send what you are writing")}
                    </dl>
                </section>
                <section>
                    <h3>"Words"</h3>
                    <dl class="words">{words.collect_view()}</dl>
                </section>
            </div>
        }
        .into_any()
    })
}

fn line(keys: &[&'static str], meaning: &'static str) -> AnyView {
    let keys: Vec<_> = keys.iter().map(|key| view! { <kbd>{*key}</kbd> }).collect();
    view! { <dt>{keys}</dt><dd>{meaning}</dd> }.into_any()
}
