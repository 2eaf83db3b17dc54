//! The words of a shell that mean one of the five reading tools, in a local task and in the action
//! `run_command`: no process is started for them.

use super::{Search, Tool};

/// The words that mean the five tools.
const TOOLS: [&str; 9] = ["ls", "list", "pwd", "where", "cat", "read", "echo", "rg", "search"];

/// Whether a program's name means a tool.
pub fn mean_a_tool(program: &str) -> bool {
    TOOLS.contains(&program)
}

/// The tool that these words mean. Flags mean nothing here: they are refused.
pub fn tool(words: &[String]) -> Result<Tool, String> {
    let (name, arguments) = words.split_first().ok_or("there are no words")?;
    if name != "echo"
        && let Some(flag) = arguments.iter().find(|argument| argument.starts_with('-'))
    {
        return Err(format!("{name} takes no flags here, and {flag} is one"));
    }
    let root = String::new;
    let too_many = || Err(format!("{name} takes fewer arguments"));
    match (name.as_str(), arguments) {
        ("ls" | "list", [] | [_]) => {
            let path = arguments.first().cloned().unwrap_or_default();
            Ok(Tool::List { root: root(), path: trimmed(&path), depth: 1, after: String::new() })
        }
        ("pwd" | "where", []) => Ok(Tool::Where),
        ("cat" | "read", [path]) => {
            let (first_line, max_lines) = (1, 400);
            Ok(Tool::Read { root: root(), path: trimmed(path), first_line, max_lines })
        }
        ("cat" | "read", []) => Err(format!("{name} needs a path")),
        ("echo", words) => Ok(Tool::Echo { text: words.join(" ") }),
        ("rg" | "search", [pattern]) => Ok(search(pattern, "")),
        ("rg" | "search", [pattern, path]) => Ok(search(pattern, path)),
        ("rg" | "search", []) => Err(format!("{name} needs a pattern")),
        ("ls" | "list" | "pwd" | "where" | "cat" | "read" | "rg" | "search", _) => too_many(),
        _ => Err(format!("{name} is none of ls, pwd, cat, echo, rg")),
    }
}

fn search(pattern: &str, path: &str) -> Tool {
    let (path, pattern) = (trimmed(path), pattern.to_owned());
    Tool::Search(Search { path, pattern, ..Search::default() })
}

/// `.` and `library` mean the root itself.
fn trimmed(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = path.strip_prefix("library/").unwrap_or(path);
    if matches!(path, "." | "library") { String::new() } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_words_of_a_shell_mean_the_five_tools() {
        assert!(matches!(tool(&words("ls")), Ok(Tool::List { .. })));
        assert_eq!(tool(&words("pwd")), Ok(Tool::Where));
        assert_eq!(tool(&words("echo -n a b")), Ok(Tool::Echo { text: "-n a b".to_owned() }));
        let read = tool(&words("cat library/a.md"));
        assert!(matches!(read, Ok(Tool::Read { path, .. }) if path == "a.md"));
        assert!(
            matches!(tool(&words("rg sea .")), Ok(Tool::Search(Search { path, .. })) if path.is_empty())
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["rm -rf /", "rg --pre=/bin/sh . a", "cat", "cat a b", "pwd x", "/bin/ls", ""] {
            assert!(tool(&words(text)).is_err(), "{text}");
        }
        assert!(tool(&[]).is_err());
    }
}
