//! What model calls cost and came to, summed up, and who holds money at the moment.

use vivarium_types::Timestamp;

/// Days that the chart shows.
pub(crate) const CHART_DAYS: i64 = 28;

/// What is summed up by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Group {
    /// The resident whose cycle called.
    #[default]
    Resident,
    /// The model at its provider.
    Model,
    /// The task.
    Task,
    /// The UTC day.
    Day,
}

impl Group {
    /// All, in the order in which they are offered.
    pub(crate) const ALL: [Self; 4] = [Self::Resident, Self::Model, Self::Task, Self::Day];

    /// The word behind "by".
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Resident => "resident",
            Self::Model => "model",
            Self::Task => "task",
            Self::Day => "day",
        }
    }

    /// The group of this word in an address.
    pub(crate) fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|group| group.word() == word).unwrap_or_default()
    }
}

/// Which days are summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Span {
    /// Today, UTC.
    Today,
    /// Today and the six days before.
    #[default]
    Week,
    /// Today and the 27 days before.
    Month,
    /// All that there is.
    All,
    /// One day, counted from 1970-01-01.
    Day(i64),
}

impl Span {
    /// Those that are offered.
    pub(crate) const OFFERED: [(Self, &'static str); 4] = [
        (Self::Today, "Today"),
        (Self::Week, "7 days"),
        (Self::Month, "28 days"),
        (Self::All, "All"),
    ];

    /// First and last day; none: open.
    pub(crate) const fn days(self, today: i64) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Today => (Some(today), Some(today)),
            Self::Week => (Some(today - 6), Some(today)),
            Self::Month => (Some(today - 27), Some(today)),
            Self::All => (None, None),
            Self::Day(day) => (Some(day), Some(day)),
        }
    }

    /// Whether a day belongs to it.
    pub(crate) fn holds(self, day: i64, today: i64) -> bool {
        let (from, to) = self.days(today);
        from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to)
    }

    /// The span of this word in an address: `today`, `7`, `28`, `all` or a date.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "today" => Self::Today,
            "28" => Self::Month,
            "all" => Self::All,
            word => day_of(word).map_or(Self::Week, Self::Day),
        }
    }

    /// Its word in an address.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Today => "today".to_owned(),
            Self::Week => "7".to_owned(),
            Self::Month => "28".to_owned(),
            Self::All => "all".to_owned(),
            Self::Day(day) => date_of(day),
        }
    }
}

/// The date of a day counted from 1970-01-01, such as `2026-11-23`.
pub(crate) fn date_of(day: i64) -> String {
    let moment = Timestamp::from_millis(day.saturating_mul(86_400_000));
    crate::format::iso(moment).split('T').next().unwrap_or_default().to_owned()
}

/// The day of such a date.
pub(crate) fn day_of(date: &str) -> Option<i64> {
    format!("{date}T00:00:00Z").parse::<Timestamp>().ok().map(Timestamp::utc_day)
}

/// Calls and what they came to; amounts in micro-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Settled calls.
    pub(crate) calls: u64,
    /// Those that were not answered.
    pub(crate) failed: u64,
    /// Model tokens read.
    pub(crate) input: u64,
    /// Model tokens written.
    pub(crate) output: u64,
    /// What it cost.
    pub(crate) cost: i64,
    /// What was reserved for it.
    pub(crate) worst: i64,
    /// Model tokens that were assumed and allowed.
    pub(crate) tokens_max: u64,
}

impl Sum {
    /// Model tokens read and written.
    pub(crate) const fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Its part of a whole, in thousandths: of the money, or of the model tokens where all is free.
    pub(crate) fn share_of(&self, whole: &Self) -> u32 {
        if whole.cost > 0 {
            permille(self.cost.unsigned_abs(), whole.cost.unsigned_abs())
        } else {
            permille(self.tokens(), whole.tokens())
        }
    }

    /// How much of what was reserved was used, in thousandths: of the money, or of the model tokens
    /// where all is free. None where nothing was reserved.
    pub(crate) fn used(&self) -> Option<u32> {
        match (self.worst, self.tokens_max) {
            (worst, _) if worst > 0 => {
                Some(permille(self.cost.unsigned_abs(), worst.unsigned_abs()))
            }
            (_, 0) => None,
            (_, most) => Some(permille(self.tokens(), most)),
        }
    }
}

fn permille(part: u64, whole: u64) -> u32 {
    if whole == 0 {
        return 0;
    }
    let part = u128::from(part) * 1_000 / u128::from(whole);
    u32::try_from(part.min(1_000)).unwrap_or(1_000)
}

/// A row: one resident, task, model or day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The resident, task or model; empty: none.
    pub(crate) subject: String,
    /// The provider of a model.
    pub(crate) provider: String,
    /// The day, counted from 1970-01-01.
    pub(crate) day: i64,
    /// What it came to.
    pub(crate) sum: Sum,
}

impl Row {
    /// Whether both are about the same resident, task, model or day.
    pub(crate) fn is_about(&self, other: &Self) -> bool {
        (&self.subject, &self.provider, self.day) == (&other.subject, &other.provider, other.day)
    }
}

/// A page of rows with the sum of all pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// The rows.
    pub(crate) rows: Vec<Row>,
    /// For the next page. Empty: there is none.
    pub(crate) next: String,
    /// The sum of all pages.
    pub(crate) total: Sum,
}

/// A day in the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bar {
    /// The day.
    pub(crate) day: i64,
    /// What it came to.
    pub(crate) sum: Sum,
    /// Its height, in thousandths of the highest.
    pub(crate) height: u32,
}

/// The days up to today, also those on which nothing was called, and the highest of them.
pub(crate) fn bars(rows: &[Row], today: i64) -> (Vec<Bar>, Sum) {
    let of_day = |day| rows.iter().find(|row| row.day == day).map(|row| row.sum);
    let days: Vec<_> = (today - CHART_DAYS + 1..=today)
        .map(|day| (day, of_day(day).unwrap_or_default()))
        .collect();
    let costs = days.iter().any(|(_, sum)| sum.cost > 0);
    let measure = |sum: &Sum| if costs { sum.cost.unsigned_abs() } else { sum.tokens() };
    let highest = days.iter().map(|(_, sum)| *sum).max_by_key(measure).unwrap_or_default();
    let bar = |(day, sum): &(i64, Sum)| {
        // A day with a call is seen, however little it came to.
        let least = if sum.calls > 0 { 25 } else { 0 };
        Bar { day: *day, sum: *sum, height: sum.share_of(&highest).max(least) }
    };
    (days.iter().map(bar).collect(), highest)
}

/// Money that a running call holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// `rsv_…`.
    pub(crate) id: String,
    /// Its task. Empty: none.
    pub(crate) task: String,
    /// Its resident. Empty: none.
    pub(crate) resident: String,
    /// What the call is for, in a word.
    pub(crate) purpose: &'static str,
    /// The step of its cycle.
    pub(crate) step: u32,
    /// The provider.
    pub(crate) provider: String,
    /// The model.
    pub(crate) model: String,
    /// The most it can cost, in micro-dollars.
    pub(crate) worst: i64,
    /// Since when.
    pub(crate) since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(cost: i64, input: u64) -> Sum {
        Sum { calls: 1, cost, input, worst: cost * 4, tokens_max: input * 2, ..Sum::default() }
    }

    #[test]
    fn shares_are_of_money_and_of_tokens_where_all_is_free() {
        assert_eq!(sum(250, 1).share_of(&sum(1_000, 1)), 250);
        assert_eq!(sum(0, 30).share_of(&sum(0, 60)), 500);
        assert_eq!(Sum::default().share_of(&Sum::default()), 0);
    }

    #[test]
    fn what_was_used_is_told_of_money_or_tokens_and_not_where_nothing_was_reserved() {
        assert_eq!(sum(250, 7).used(), Some(250));
        assert_eq!(sum(0, 7).used(), Some(500));
        assert_eq!(Sum::default().used(), None);
    }

    #[test]
    fn spans_are_inclusive_days_and_keep_their_word_in_an_address() {
        assert_eq!(Span::Week.days(20), (Some(14), Some(20)));
        assert!(Span::Today.holds(20, 20) && !Span::Today.holds(19, 20));
        assert!(Span::All.holds(-5, 20));
        for span in [Span::Today, Span::Week, Span::Month, Span::All, Span::Day(20_780)] {
            assert_eq!(Span::of(&span.word()), span);
        }
        assert_eq!(Span::of("yesterday"), Span::Week);
        assert_eq!(date_of(20_780), "2026-11-23");
    }

    #[test]
    fn the_chart_has_every_day_and_shows_the_smallest_call() {
        let row = |day, sum| Row { day, sum, ..Row::default() };
        let (bars, highest) = bars(&[row(100, sum(1_000_000, 9)), row(90, sum(1, 9))], 100);
        assert_eq!((bars.len(), highest.cost), (28, 1_000_000));
        let height = |day| bars.iter().find(|bar| bar.day == day).map(|bar| bar.height);
        assert_eq!((height(100), height(90), height(91)), (Some(1_000), Some(25), Some(0)));
    }
}
