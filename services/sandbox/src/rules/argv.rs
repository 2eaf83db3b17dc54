//! From typed arguments to the vector that is run.
//!
//! Nothing a caller wrote is passed on as it is: a flag is looked up and its name written as the rule
//! has it; its value is checked and joined with `=` (or set behind a short name); positionals stand
//! behind `--`; a path becomes the absolute path inside the sandbox. So no text of a caller can become
//! a flag, and no program sees a relative path.

use super::file::{File, Flag, PositionalKind, Value};
use super::{Call, Refused, shown};
use crate::planted::{self, Control};
use crate::roots::Paths;

/// Most arguments of a call (domain.md, section 5).
const ARGS_MAX: usize = 32;
/// Most characters of one.
const ARG_CHARS_MAX: usize = 1_024;

/// The vector of a call, the program's id first.
pub fn construct(rule: &File, call: &Call, paths: &dyn Paths) -> Result<Vec<String>, Refused> {
    if call.args.len() > ARGS_MAX {
        return Err(Refused::call("count", format!("at most {ARGS_MAX} arguments")));
    }
    for (at, arg) in call.args.iter().enumerate() {
        check_text(at, arg)?;
    }
    let mut parts = Parts { rule, flags: Vec::new(), positionals: Vec::new(), seen: Vec::new() };
    parts.take(&call.args)?;
    let Parts { flags, positionals, .. } = parts;
    let mut argv = vec![rule.program.clone()];
    argv.extend(flags);
    if !positionals.is_empty() && planted::holds(Control::Separator) {
        argv.push("--".to_owned());
    }
    argv.extend(place(rule, call, &positionals, paths)?);
    Ok(argv)
}

fn check_text(at: usize, arg: &str) -> Result<(), Refused> {
    if arg.chars().count() > ARG_CHARS_MAX {
        let why = format!("an argument has at most {ARG_CHARS_MAX} characters");
        return Err(Refused::argument("length", at, why));
    }
    if arg.chars().any(char::is_control) {
        return Err(Refused::argument("control", at, "an argument has no control characters"));
    }
    Ok(())
}

struct Parts<'a> {
    rule: &'a File,
    flags: Vec<String>,
    positionals: Vec<(usize, &'a str)>,
    seen: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    fn take(&mut self, args: &'a [String]) -> Result<(), Refused> {
        let mut rest = args.iter().map(String::as_str).enumerate();
        let mut only_positionals = false;
        while let Some((at, arg)) = rest.next() {
            if !only_positionals && arg == "--" {
                only_positionals = true;
            } else if only_positionals || !arg.starts_with('-') || arg == "-" {
                self.positionals.push((at, arg));
            } else {
                self.take_flag(at, arg, &mut rest)?;
            }
        }
        Ok(())
    }

    fn take_flag(
        &mut self,
        at: usize,
        arg: &'a str,
        rest: &mut impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<(), Refused> {
        if !arg.starts_with("--") {
            return self.take_letters(at, arg, rest);
        }
        let (name, joined) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (arg, None),
        };
        let Some(flag) = self.known(at, name, arg)? else { return Ok(()) };
        match (&flag.value, joined) {
            (None, Some(_)) => {
                Err(Refused::argument("value", at, format!("{} has no value", flag.name)))
            }
            (None, None) => self.add(flag, at, None),
            (Some(_), Some(value)) => self.add(flag, at, Some((at, value))),
            (Some(_), None) => self.add(flag, at, rest.next()),
        }
    }

    /// Short flags: one, or several in one word, of which the last may have its value joined.
    fn take_letters(
        &mut self,
        at: usize,
        arg: &'a str,
        rest: &mut impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<(), Refused> {
        for (place, letter) in arg.char_indices().skip(1) {
            let Some(flag) = self.known(at, &format!("-{letter}"), arg)? else { return Ok(()) };
            if flag.value.is_none() {
                self.add(flag, at, None)?;
                continue;
            }
            let joined = arg.get(place + letter.len_utf8()..).filter(|value| !value.is_empty());
            let value = joined.map(|value| (at, value)).or_else(|| rest.next());
            return self.add(flag, at, value);
        }
        Ok(())
    }

    /// The flag of this name; `None` where the table is not closed and the word passes as it is.
    fn known(&mut self, at: usize, name: &str, arg: &str) -> Result<Option<&'a Flag>, Refused> {
        let known = self.rule.flag.iter().find(|flag| flag.spellings().any(|own| own == name));
        if known.is_none() && !planted::holds(Control::ClosedFlags) {
            self.flags.push(arg.to_owned());
            return Ok(None);
        }
        known.map(Some).ok_or_else(|| Refused::argument("flag", at, self.unknown(name)))
    }

    fn add(
        &mut self,
        flag: &'a Flag,
        at: usize,
        value: Option<(usize, &str)>,
    ) -> Result<(), Refused> {
        if self.seen.contains(&flag.name.as_str()) && !flag.repeats {
            return Err(Refused::argument("twice", at, format!("{} stands twice", flag.name)));
        }
        self.seen.push(&flag.name);
        let value = match (&flag.value, value) {
            (None, _) => None,
            (Some(form), Some((at, value))) => Some(fitting(form, flag, at, value)?),
            (Some(_), None) => {
                let why = format!("{} needs a value", flag.name);
                return Err(Refused::argument("value", at, why));
            }
        };
        self.write(flag, value);
        Ok(())
    }

    fn write(&mut self, flag: &Flag, value: Option<String>) {
        match value {
            None => self.flags.push(flag.name.clone()),
            Some(value) if flag.is_long() => self.flags.push(format!("{}={value}", flag.name)),
            Some(value) => self.flags.extend([flag.name.clone(), value]),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let all: Vec<_> = self.rule.flag.iter().flat_map(Flag::spellings).collect();
        let has = if all.is_empty() { "none".to_owned() } else { all.join(" ") };
        let hint =
            if name.starts_with("--") || name.len() == 2 { "" } else { "; write flags apart" };
        format!("{} has no flag {} here; it has {has}{hint}", self.rule.program, shown(name))
    }
}

fn fitting(form: &Value, flag: &Flag, at: usize, value: &str) -> Result<String, Refused> {
    if !planted::holds(Control::FlagValues) {
        return Ok(value.to_owned());
    }
    let refused = |why: String| Refused::argument("value", at, format!("{}: {why}", flag.name));
    match form {
        // A sign means something else to some programs: `tail -n +5` is not `tail -n 5`.
        Value::Number(_) if value.starts_with('+') => Err(refused("a whole number".to_owned())),
        Value::Number([least, most]) => {
            let number: i64 = value.parse().map_err(|_| refused("a whole number".to_owned()))?;
            if number < *least || number > *most {
                return Err(refused(format!("{least} to {most}")));
            }
            Ok(number.to_string())
        }
        Value::Word(words) => match words.iter().find(|word| *word == value) {
            Some(word) => Ok(word.clone()),
            None => Err(refused(format!("one of {}", words.join(", ")))),
        },
        Value::Text(form) if form.is_match(value) => Ok(value.to_owned()),
        Value::Text(form) => Err(refused(format!("it has to have the form {form}"))),
    }
}

/// The positionals in the form that the rule gives to each place.
fn place(
    rule: &File,
    call: &Call,
    given: &[(usize, &str)],
    paths: &dyn Paths,
) -> Result<Vec<String>, Refused> {
    let least: usize = rule.positional.iter().map(|positional| positional.min).sum();
    let most: usize = rule.positional.iter().map(|positional| positional.max).sum();
    if given.len() < least || given.len() > most {
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let why = format!("{} takes {wanted} positionals and got {}", rule.program, given.len());
        return Err(Refused::call("positionals", why));
    }
    let places = rule.positional.iter().flat_map(|place| std::iter::repeat_n(place, place.max));
    let mut made = Vec::new();
    for (place, (at, arg)) in places.zip(given) {
        made.push(match place.kind.path() {
            Some(_) if !planted::holds(Control::Separator) => (*arg).to_owned(),
            Some(kind) => path(paths, call, kind, *at, arg)?,
            None => text(place, *at, arg)?,
        });
    }
    Ok(made)
}

fn path(
    paths: &dyn Paths,
    call: &Call,
    kind: crate::roots::Kind,
    at: usize,
    arg: &str,
) -> Result<String, Refused> {
    if arg == "-" {
        let why = "there is no standard input; name a file";
        return Err(Refused::argument("path", at, why));
    }
    paths.resolve(&call.folder, arg, kind).map_err(|why| Refused::argument("path", at, why))
}

fn text(place: &super::file::Positional, at: usize, arg: &str) -> Result<String, Refused> {
    debug_assert_eq!(place.kind, PositionalKind::Text, "the other kinds are paths");
    match &place.text {
        Some(form) if form.is_match(arg) => Ok(arg.to_owned()),
        Some(form) => Err(Refused::argument("text", at, format!("it has to have the form {form}"))),
        None => Err(Refused::argument("text", at, "no text is taken here")),
    }
}
