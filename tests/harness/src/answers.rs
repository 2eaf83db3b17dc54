//! What scripted models say: good work, bad work of known kinds, and critiques.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model_server::{Asked, Reply};

/// The first words of every request for a critique.
const CRITIC: &str = "You are a critic.";

/// Whether a request asks for a critique and not for work.
pub fn asks_for_critique(asked: &Asked) -> bool {
    asked.messages.first().is_some_and(|(_, text)| text.starts_with(CRITIC))
}

/// The title of the task that a request is about.
pub fn task(asked: &Asked) -> String {
    let prompt = asked.prompt();
    let line = |mark: &str| prompt.lines().find_map(|line| line.strip_prefix(mark));
    line("Task: ").or_else(|| line("Request: ")).unwrap_or_default().to_owned()
}

/// Steps of the cycle before this request.
pub fn steps(asked: &Asked) -> usize {
    asked.messages.iter().filter(|(role, _)| role == "assistant").count()
}

/// Good work on whatever is asked, and full marks for all of it.
pub fn diligent(asked: &Asked) -> Reply {
    if asks_for_critique(asked) {
        critique(4)
    } else {
        document(&task(asked), &essay(&task(asked)))
    }
}

/// As [`diligent`], taking its time between pieces.
pub fn slow(asked: &Asked, pause: Duration) -> Reply {
    diligent(asked).slowly(pause)
}

/// A reply that stages one document and ends the cycle.
pub fn document(title: &str, body: &str) -> Reply {
    let title: String = title.chars().take(120).collect();
    let write = json!({"id": "w", "do": "write_document", "title": title, "body": body});
    let finish = json!({"id": "f", "do": "finish", "summary": "It is written.", "needs": ["w"]});
    actions(&[write, finish])
}

/// A reply that asks for these actions.
pub fn actions(actions: &[Value]) -> Reply {
    Reply::text(json!({"actions": actions, "done": true}).to_string())
}

/// A reply that asks for one action and wants to go on.
pub fn going_on(action: &Value) -> Reply {
    Reply::text(json!({"actions": [action]}).to_string())
}

/// A critique that gives every line of the rubric this score.
pub fn critique(score: u32) -> Reply {
    let scores = json!({"answers_request": score, "correct": score, "complete": score,
                        "clear": score, "fits_constraints": score});
    Reply::text(json!({"scores": scores, "issues": [], "suggestions": []}).to_string())
}

/// A document that a reviewer has nothing against.
pub fn essay(subject: &str) -> String {
    format!(
        "# {subject}\n\nThis page answers the request: {subject}. It says what the matter is, why it \
         is so, and what a reader can do with it.\n\n## What it is\n\nThe subject, {subject}, is \
         looked at from its beginning. Each part follows from the one before it, and nothing is \
         taken for granted that a careful reader could not see alone.\n\n## What to do\n\nRead it \
         once from start to end, try the first part on something small, and write down what was \
         different from what these lines made you expect.\n"
    )
}
