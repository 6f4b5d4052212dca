//! Two clocks: one that only moves forward, and the one on the wall.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds since the runtime started. Never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// Nanoseconds since the Unix epoch. May be stepped by whoever sets the machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

impl Time {
    /// Later than any time that a runtime reaches.
    pub const NEVER: Time = Time(u64::MAX);
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::NEVER`].
    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(nanoseconds(duration)))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// Zero if `earlier` is the later one.
    fn sub(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
