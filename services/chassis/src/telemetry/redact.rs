//! Keeps keys out of log lines: shows enough to tell two apart and no more.

/// The first and last four characters of a key of at least sixteen; nothing of a shorter one.
pub fn key(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    if characters.len() < 16 {
        return "[secret]".to_owned();
    }
    let (head, tail) = (&characters[..4], &characters[characters.len() - 4..]);
    format!("{}…{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}

/// `text` with each of `secrets` replaced by `[secret]`. Empty secrets are passed over.
pub fn text(text: &str, secrets: &[&str]) -> String {
    let each = secrets.iter().filter(|secret| !secret.is_empty());
    each.fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_key_shows_its_ends_only() {
        assert_eq!(super::key("gsk_0123456789abcdef"), "gsk_…cdef");
        assert_eq!(super::key("short"), "[secret]");
        assert_eq!(super::text("key=hunter2!", &["", "hunter2"]), "key=[secret]!");
    }
}
