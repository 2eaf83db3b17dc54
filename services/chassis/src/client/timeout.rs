//! The header `grpc-timeout`: a number of at most eight digits and a unit.

use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderValue;

const HEADER: &str = "grpc-timeout";
const DIGITS_MAX: usize = 8;

/// What the caller grants, if it says so in a form we know.
pub(crate) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Grants `span`, rounded up to whole milliseconds.
pub(crate) fn write(headers: &mut HeaderMap, span: Duration) {
    let millis = span.as_nanos().div_ceil(1_000_000);
    let text =
        if millis < 100_000_000 { format!("{millis}m") } else { format!("{}S", span.as_secs()) };
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(HEADER, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_reads_back() {
        for span in [Duration::from_millis(1), Duration::from_secs(10), Duration::from_hours(30)] {
            let mut headers = HeaderMap::new();
            write(&mut headers, span);
            assert_eq!(read(&headers), Some(span));
        }
        for text in ["", "S", "123456789S", "1x", "-1S"] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(text).expect("it is a header"));
            assert_eq!(read(&headers), None, "{text}");
        }
    }
}
