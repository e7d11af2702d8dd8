//! Log time as a shard lives it: what ends generations.
#![expect(clippy::arithmetic_side_effects, reason = "spans of time are bounded where they are added")]

use weir_model::time::Instant;

/// A generation's span of log time, in microseconds: a week.
const GENERATION_US: i64 = 7 * 24 * 3_600_000_000;
/// The most that one step of log time counts, in microseconds: an hour.
const STEP_MAX_US: i64 = 3_600_000_000;

/// Log time as lived: it never goes back, and a leap of the clock counts as one step, so that it makes nobody forget. A shard that stood
/// still remembers longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// The greatest log time.
    pub latest: Option<Instant>,
    /// Lived since the current generation began, in microseconds.
    pub lived_us: i64,
}

impl Clock {
    /// Whether a generation's time is over.
    pub(super) fn advance(&mut self, log_time: Instant) -> bool {
        let before = self.latest.unwrap_or(log_time);
        self.latest = Some(before.max(log_time));
        self.lived_us += log_time.micros().saturating_sub(before.micros()).clamp(0, STEP_MAX_US);
        let is_over = self.lived_us >= GENERATION_US;
        if is_over {
            self.lived_us -= GENERATION_US;
        }
        is_over
    }
}
