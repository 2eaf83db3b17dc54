//! A program that somebody wants to run, as a person reads it before a decision.

/// A call, which is one JSON object with `program`, `args`, `folder` and `seconds`, as one line: what
/// would be typed, where, and for how long at the most where that is said.
///
/// Everything but plain characters is quoted and escaped, so that each argument can be told from its
/// neighbour and nothing turns the line around. What is no such object is shown escaped as a whole.
pub fn readable(call: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(call).unwrap_or_default();
    let Some(program) = value["program"].as_str() else { return word(call) };
    let args = value["args"].as_array().into_iter().flatten();
    let words = args.filter_map(serde_json::Value::as_str).map(word);
    let line: Vec<String> = std::iter::once(word(program)).chain(words).collect();
    let folder = word(value["folder"].as_str().unwrap_or_default());
    let limit = match value["seconds"].as_u64() {
        None | Some(0) => String::new(),
        Some(seconds) => format!(", at most {seconds} s"),
    };
    format!("{} (in {folder}{limit})", line.join(" "))
}

fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:,@%".contains(c);
    let plain = !text.is_empty() && text.chars().all(is_plain);
    if plain { text.to_owned() } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_argument_can_be_told_from_its_neighbour() {
        let call = r#"{"program":"wc","args":["-l","a b","","c\u202e"],"folder":"library/a b","seconds":9}"#;
        let told = "wc -l \"a b\" \"\" \"c\\u{202e}\" (in \"library/a b\", at most 9 s)";
        assert_eq!(readable(call), told);
        let plain = r#"{"program":"wc","args":[],"folder":"library","seconds":0}"#;
        assert_eq!(readable(plain), "wc (in library)");
        assert_eq!(readable("not\u{202e}this"), "\"not\\u{202e}this\"");
    }
}
