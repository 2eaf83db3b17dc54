//! Durations, moments, ids and amounts as people read them. Pure: the present is an argument.

use std::time::Duration;

use vivarium_types::Timestamp;

/// How long ago, roughly: `just now`, `12 s ago`, `3 min ago`.
pub(crate) fn ago(moment: Timestamp, now: Timestamp) -> String {
    if moment > now + Duration::from_secs(5) {
        return format!("in {}", rough(moment.since(now)));
    }
    match now.since(moment).as_secs() {
        0..5 => "just now".to_owned(),
        _ => format!("{} ago", rough(now.since(moment))),
    }
}

/// A span in its largest unit: `12 s`, `3 min`, `2 h`, `5 d`.
pub(crate) fn rough(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A span in two units: `1.4 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn span(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    match seconds {
        0..10 => format!("{seconds}.{} s", millis / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

fn two(large: u64, unit: &str, small: u64, smaller: &str) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {smaller}") }
}

/// A number with its thousands apart: `12,034`.
pub(crate) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("\u{2212}{text}") } else { text }
}

/// The same for counts.
pub(crate) fn count(value: u64) -> String {
    number(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A large count in a few letters: `950`, `12.3 k`, `4.1 M`.
pub(crate) fn short_count(value: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", value / unit, value % unit / (unit / 10));
    match value {
        0..10_000 => count(value),
        10_000..1_000_000 => format!("{} k", tenths(1_000)),
        _ => format!("{} M", tenths(1_000_000)),
    }
}

/// A count and its noun: `1 task`, `3 tasks`.
pub(crate) fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// Micro-dollars as dollars: two places from a cent on, as many as needed below.
pub(crate) fn dollars(micro: i64) -> String {
    let (whole, part) = (micro.unsigned_abs() / 1_000_000, micro.unsigned_abs() % 1_000_000);
    let sign = if micro < 0 { "\u{2212}" } else { "" };
    let whole = count(whole);
    match part {
        0 if whole == "0" => "$0".to_owned(),
        0..10_000 if whole == "0" => {
            let digits = format!("{part:06}");
            format!("{sign}$0.{}", digits.trim_end_matches('0'))
        }
        _ => format!("{sign}${whole}.{:02}", part / 10_000),
    }
}

/// An id short enough for a line: `tsk_…k2f7q`. Ids of one minute share their beginning.
pub(crate) fn short_id(id: &str) -> String {
    match id.split_once('_') {
        Some((prefix, body)) if body.len() > 8 && body.is_ascii() => {
            let end: String = body.chars().skip(body.len() - 5).collect();
            format!("{prefix}_…{end}")
        }
        _ => id.to_owned(),
    }
}

/// A ratio in thousandths as a percentage.
pub(crate) fn percent(permille: u32) -> String {
    format!("{} %", (permille + 5) / 10)
}

/// `links_resolve` as `links resolve`.
pub(crate) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// The first letter large.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// At most `most` characters, with an ellipsis for the rest.
pub(crate) fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The letters that stand for a name in a small round field.
pub(crate) fn initials(name: &str) -> String {
    let letters: String = name.split_whitespace().filter_map(|word| word.chars().next()).collect();
    let short: String = letters.chars().take(2).collect();
    short.to_uppercase()
}

/// Who did it, for a person: `operator:cli` is `you (cli)`. Residents are named elsewhere.
pub(crate) fn actor(actor: &str) -> String {
    match actor.split_once(':') {
        Some(("operator", "panel")) => "you".to_owned(),
        Some(("operator", name)) => format!("you ({name})"),
        Some(("service", name)) => name.to_owned(),
        Some(("rule", name)) => format!("rule {}", words(name)),
        Some((_, name)) => short_id(name),
        None => actor.to_owned(),
    }
}

/// The name of a day of the week, 1 to 7.
pub(crate) const fn weekday(day: u32) -> &'static str {
    match day {
        1 => "Monday",
        2 => "Tuesday",
        3 => "Wednesday",
        4 => "Thursday",
        5 => "Friday",
        6 => "Saturday",
        7 => "Sunday",
        _ => "",
    }
}

/// RFC 3339 in UTC to the second, for machines and tooltips.
pub(crate) fn iso(moment: Timestamp) -> String {
    let seconds = moment.as_millis().div_euclid(1_000);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = civil(day);
    let (hour, minute) = (second / 3_600, second % 3_600 / 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// A day counted from 1970-01-01, such as `23 Nov`.
pub(crate) fn day(day: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, month, date) = civil(day);
    let month = usize::try_from(month - 1).ok().and_then(|place| MONTHS.get(place));
    format!("{date} {}", month.copied().unwrap_or_default())
}

/// The date of a day counted from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn the_past_and_the_future_are_told_roughly() {
        let now = at(1_000_000);
        for (moment, told) in [
            (1_000_000, "just now"),
            (999_988, "12 s ago"),
            (999_800, "3 min ago"),
            (990_000, "2 h ago"),
            (500_000, "5 d ago"),
            (1_000_030, "in 30 s"),
        ] {
            assert_eq!(ago(at(moment), now), told);
        }
    }

    #[test]
    fn spans_have_two_units() {
        for (millis, told) in
            [(1_449, "1.4 s"), (42_000, "42 s"), (200_000, "3 min 20 s"), (7_500_000, "2 h 5 min")]
        {
            assert_eq!(span(Duration::from_millis(millis)), told);
        }
    }

    #[test]
    fn money_keeps_what_matters() {
        for (micro, told) in [
            (0, "$0"),
            (42, "$0.000042"),
            (4_200, "$0.0042"),
            (12_345, "$0.01"),
            (1_234_567, "$1.23"),
            (5_000_000_000, "$5,000.00"),
            (-4_200, "\u{2212}$0.0042"),
        ] {
            assert_eq!(dollars(micro), told);
        }
    }

    #[test]
    fn numbers_and_ids_are_readable() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(-12), "\u{2212}12");
        assert_eq!(short_count(9_999), "9,999");
        assert_eq!([short_count(12_345), short_count(4_190_000)], ["12.3 k", "4.1 M"]);
        assert_eq!(counted(1, "task", "tasks"), "1 task");
        assert_eq!(short_id("tsk_01jd8xabcdefghjkmnpqrstvwx"), "tsk_…stvwx");
        assert_eq!(short_id("human"), "human");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(initials("Ada of the Reeds"), "AO");
        assert_eq!(actor("operator:cli"), "you (cli)");
    }

    #[test]
    fn a_moment_is_told_in_utc() {
        assert_eq!(iso(at(0)), "1970-01-01T00:00:00Z");
        assert_eq!(iso(at(1_795_406_400)), "2026-11-23T04:00:00Z");
        assert_eq!(iso(at(951_782_399)), "2000-02-28T23:59:59Z");
        assert_eq!(iso(at(951_782_400)), "2000-02-29T00:00:00Z");
        assert_eq!([day(0), day(20_780)], ["1 Jan", "23 Nov"]);
    }
}
