//! Tasks of any number: work that is about different things.

use vivarium_harness::people::name;

/// What is asked for.
const ASKED: [&str; 8] =
    ["Describe", "Explain", "Compare", "List", "Outline", "Summarise", "Introduce", "Review"];
/// What of it.
const PARTS: [&str; 16] = [
    "tides", "walls", "songs", "prices", "roofs", "winds", "tools", "rules", "colours", "errors",
    "seasons", "bridges", "recipes", "clocks", "journeys", "repairs",
];
/// Where.
const PLACES: [&str; 32] = [
    "harbour",
    "garden",
    "library",
    "market",
    "island",
    "village",
    "orchard",
    "workshop",
    "theatre",
    "kitchen",
    "meadow",
    "quarry",
    "school",
    "lighthouse",
    "bakery",
    "valley",
    "station",
    "museum",
    "forest",
    "canal",
    "observatory",
    "mill",
    "vineyard",
    "castle",
    "ferry",
    "laboratory",
    "archive",
    "playground",
    "brewery",
    "monastery",
    "stadium",
    "shipyard",
];

/// The instruction of a task.
pub(crate) fn task(number: usize) -> String {
    let asked = ASKED[number % ASKED.len()];
    let part = PARTS[number / ASKED.len() % PARTS.len()];
    let place = PLACES[number * 7 % PLACES.len()];
    format!("{asked} the {part} of the {place} called {}", name(number))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ten_thousand_tasks_ask_for_ten_thousand_things() {
        let tasks: BTreeSet<String> = (0..10_000).map(task).collect();
        assert_eq!(tasks.len(), 10_000);
    }
}
