//! A scroll bar that spans more pixels than a browser can lay out.
//!
//! Up to [`SPACE_MAX`] pixels the list is as high as its rows. A longer one lies in a space of that
//! height: small steps move it pixel by pixel, and a large one (the bar was dragged, a key led to the
//! end) goes to the same part of the list.

/// The height that every browser lays out with whole pixels.
const SPACE_MAX: f64 = 8_000_000.0;

/// A list of rows in a sight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// Pixels of all rows.
    pub(crate) total: f64,
    /// Pixels of the sight.
    pub(crate) sight: f64,
}

impl Scale {
    /// Pixels that are laid out.
    pub(crate) fn space(self) -> f64 {
        self.total.min(SPACE_MAX)
    }

    /// Whether the space is shorter than the rows.
    pub(crate) fn is_scaled(self) -> bool {
        self.total > SPACE_MAX
    }

    /// The first pixel of the rows that is in sight behind a scroll from `before` to `now`, when `top`
    /// was in sight before it.
    pub(crate) fn scrolled(self, top: f64, before: f64, now: f64) -> f64 {
        let end = self.space() - self.sight;
        let (step, last) = (now - before, (self.total - self.sight).max(0.0));
        let top = if !self.is_scaled() {
            now
        } else if now <= 0.0 || now >= end || step.abs() > 2.0 * self.sight {
            now / end * last
        } else {
            top + step
        };
        top.clamp(0.0, last)
    }

    /// Where the scroll bar stands when `top` is the first pixel in sight.
    pub(crate) fn bar(self, top: f64) -> f64 {
        if !self.is_scaled() {
            return top;
        }
        let (end, last) = (self.space() - self.sight, self.total - self.sight);
        // Only the first and the last pixel of the rows are the ends of the bar.
        let inner = (top / last * end).clamp(1.0, end - 1.0);
        if top <= 0.0 {
            0.0
        } else if top >= last {
            end
        } else {
            inner.round()
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "whole pixels are exact")]
mod tests {
    use super::*;

    const SHORT: Scale = Scale { total: 56_000.0, sight: 800.0 };
    const LONG: Scale = Scale { total: 56_000_000.0, sight: 800.0 };

    #[test]
    fn a_short_list_is_as_high_as_its_rows() {
        assert_eq!(SHORT.space(), 56_000.0);
        assert_eq!(SHORT.scrolled(0.0, 0.0, 12_345.0), 12_345.0);
        assert_eq!(SHORT.bar(12_345.0), 12_345.0);
    }

    #[test]
    fn a_long_list_moves_by_pixels_and_jumps_by_parts() {
        assert_eq!(LONG.space(), 8_000_000.0);
        assert_eq!(LONG.scrolled(1_000_000.0, 142_000.0, 142_120.0), 1_000_120.0);
        let half = LONG.scrolled(0.0, 0.0, (8_000_000.0 - 800.0) / 2.0);
        assert_eq!(half, (56_000_000.0 - 800.0) / 2.0);
    }

    #[test]
    fn both_ends_are_reached_and_never_passed() {
        let end = 8_000_000.0 - 800.0;
        assert_eq!(LONG.scrolled(9_000.0, 100.0, 0.0), 0.0);
        assert_eq!(LONG.scrolled(9_000.0, end - 5.0, end), 56_000_000.0 - 800.0);
        assert_eq!(LONG.scrolled(50.0, 5_000.0, 4_000.0), 0.0);
        assert_eq!(LONG.bar(56_000_000.0 - 800.0), end);
        assert_eq!((LONG.bar(0.0), LONG.bar(3.0)), (0.0, 1.0));
        assert_eq!(SHORT.scrolled(0.0, 0.0, 99_999.0), 56_000.0 - 800.0);
    }

    #[test]
    fn the_bar_agrees_with_the_place_it_led_to() {
        for bar in [10_000.0, 4_000_000.0, 7_999_000.0] {
            let top = LONG.scrolled(0.0, 0.0, bar);
            assert!((LONG.bar(top) - bar).abs() <= 1.0, "{bar}");
        }
    }
}
