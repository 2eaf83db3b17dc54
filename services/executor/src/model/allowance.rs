//! What is left of a provider's model tokens, by its own word: `x-ratelimit-*` of each answer.
//!
//! A bucket of `limit` model tokens that fills up again evenly. Providers that count tokens refuse a
//! request whose prompt and largest completion do not fit into what is left, so both are asked for
//! here first, and whoever finds too little waits. An answer's headers say how full the bucket is and
//! when it will be full; calls that the provider has not answered yet are taken off that.

use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::Instant;

/// How long an empty bucket takes to be full, where the provider has not said so.
const REFILL: Duration = Duration::from_mins(1);

/// Less than this part of a model token is no lack but an error of rounding: to wait for it would be to
/// wait for no time at all, again and again.
const ROUNDING: f64 = 1e-3;

/// What an answer says about the bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Told {
    limit: f64,
    left: f64,
    full_in: Duration,
}

impl Told {
    /// Reads the headers that Groq and `OpenAI` send; `None` when there are none.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let number = |name: &str| {
            let number = text(name)?.trim().parse::<f64>().ok()?;
            Some(number).filter(|number| number.is_finite() && *number >= 0.0)
        };
        let limit = number("x-ratelimit-limit-tokens").filter(|limit| *limit >= 1.0)?;
        let left = number("x-ratelimit-remaining-tokens")?.min(limit);
        let full_in = text("x-ratelimit-reset-tokens").and_then(span).unwrap_or(REFILL);
        Some(Self { limit, left, full_in })
    }
}

/// A span as these headers have it, such as `2m59.56s`, `7.66s` or `450ms`.
fn span(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text.trim(), 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match rest.get(..unit)? {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                _ => return None,
            };
        rest = rest.get(unit..)?;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// The bucket as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    limit: f64,
    left: f64,
    per_second: f64,
    at: Instant,
    /// Asked for by calls that the provider has not answered yet.
    open: f64,
}

impl Allowance {
    /// A full bucket of so many model tokens a minute.
    pub(super) fn full(tokens_per_minute: u32, now: Instant) -> Self {
        let limit = f64::from(tokens_per_minute.max(1));
        Self { limit, left: limit, per_second: limit / REFILL.as_secs_f64(), at: now, open: 0.0 }
    }

    /// Takes so many out, or tells how long it takes until they are there. Who asks for more than the
    /// bucket holds gets them when it is full: the provider has the last word.
    pub(super) fn take(&mut self, tokens: f64, now: Instant) -> Result<(), Duration> {
        let wanted = tokens.min(self.limit);
        let grown = self.per_second * now.saturating_duration_since(self.at).as_secs_f64();
        (self.left, self.at) = ((self.left + grown).min(self.limit), now);
        if self.left + ROUNDING < wanted {
            let short = (wanted - self.left) / self.per_second;
            return Err(Duration::try_from_secs_f64(short).unwrap_or(REFILL));
        }
        self.left = (self.left - wanted).max(0.0);
        self.open += wanted;
        Ok(())
    }

    /// How many are left at this moment, and the most that can be.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "both are whole enough for people, and never below 0"
    )]
    pub(super) fn stands(&self, now: Instant) -> (u64, u64) {
        let grown = self.per_second * now.saturating_duration_since(self.at).as_secs_f64();
        ((self.left + grown).min(self.limit) as u64, self.limit as u64)
    }

    /// A call was answered, with or without a word about the bucket, or will never be. The provider may
    /// have counted one that was cut off, so its tokens do not come back before their time.
    pub(super) fn answered(&mut self, tokens: f64, told: Option<Told>, now: Instant) {
        self.open = (self.open - tokens.min(self.limit)).max(0.0);
        let Some(told) = told else { return };
        let (missing, seconds) = (told.limit - told.left, told.full_in.as_secs_f64());
        self.per_second = if missing >= 1.0 && seconds > 0.0 {
            missing / seconds
        } else {
            told.limit / REFILL.as_secs_f64()
        };
        (self.limit, self.at) = (told.limit, now);
        self.left = (told.left - self.open).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use vivarium_chassis::clock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn headers(limit: &str, left: &str, reset: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            headers.insert(name, value.parse().expect("a header's value"));
        };
        put("x-ratelimit-limit-tokens", limit);
        put("x-ratelimit-remaining-tokens", left);
        put("x-ratelimit-reset-tokens", reset);
        headers
    }

    #[test]
    fn spans_are_read_as_providers_write_them() {
        assert_eq!(span("7.66s"), Some(Duration::from_millis(7_660)));
        assert_eq!(span("2m59.56s"), Some(Duration::from_millis(179_560)));
        assert_eq!(span("450ms"), Some(Duration::from_millis(450)));
        assert_eq!(span("1h2m3s"), Some(Duration::from_secs(3_723)));
        assert_eq!(span("0s"), Some(Duration::ZERO));
        for text in ["7", "s", "7 s", "-1s", "7x"] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn headers_that_say_nothing_usable_say_nothing() {
        assert!(Told::of(&headers("6000", "5500", "5s")).is_some());
        assert!(Told::of(&headers("many", "5500", "5s")).is_none());
        assert!(Told::of(&headers("0", "0", "5s")).is_none());
        assert!(Told::of(&HeaderMap::new()).is_none());
    }

    #[test]
    fn what_is_taken_grows_again_and_who_comes_too_early_is_told_when() {
        let start = clock::instant();
        let mut bucket = Allowance::full(6_000, start);
        assert_eq!(bucket.take(4_000.0, start), Ok(()));
        assert_eq!(bucket.take(4_000.0, start), Err(SECOND * 20));
        assert!(bucket.take(4_000.0, start + SECOND * 19).is_err());
        assert_eq!(bucket.take(4_000.0, start + SECOND * 20), Ok(()));
    }

    #[test]
    fn the_providers_word_counts_less_what_it_has_not_seen() {
        let start = clock::instant();
        let mut bucket = Allowance::full(100_000, start);
        bucket.take(1_000.0, start).expect("there is enough");
        bucket.take(2_000.0, start).expect("there is enough");
        let told = Told::of(&headers("6000", "5000", "10s"));
        bucket.answered(1_000.0, told, start);
        // 5,000 less the 2,000 of the other call, and 100 a second.
        assert_eq!(bucket.take(4_000.0, start), Err(SECOND * 10));
        bucket.answered(2_000.0, None, start);
        assert_eq!(bucket.take(3_001.0, start + SECOND / 200), Err(SECOND / 200));
        bucket.take(3_000.0, start + SECOND / 200).expect("there is enough");
    }

    #[test]
    fn a_request_larger_than_the_bucket_waits_for_a_full_one() {
        let start = clock::instant();
        let mut bucket = Allowance::full(600, start);
        bucket.take(1.0, start).expect("there is enough");
        assert!(bucket.take(9_000.0, start).is_err());
        assert_eq!(bucket.take(9_000.0, start + SECOND), Ok(()));
    }
}
