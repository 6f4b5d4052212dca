//! The types of package `google.protobuf`, compiled: what a .proto file means that imports
//! `google/protobuf/timestamp.proto`, and [`any`](Any), [`duration`](Duration), [`empty`](Empty),
//! [`field_mask`](FieldMask), [`struct`](Struct) and [`wrappers`](StringValue) likewise.
//!
//! On the wire they are messages as any other: they are not encoded as Protobuf does it.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use crake_wire::Encode;
//! use crake_wire::well_known::{Timestamp, TimestampView};
//!
//! let now = SystemTime::now();
//! let frame = Timestamp::try_from(now)?.encode_to_vec();
//! let read = Timestamp::try_from(TimestampView::parse(&frame)?)?;
//! assert_eq!(SystemTime::try_from(read)?, now);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::{Duration as StdDuration, SystemTime};

use thiserror::Error;

include!("google.protobuf.rs");

const NANOS_PER_SECOND: i32 = 1_000_000_000;

/// A [`Timestamp`] or [`Duration`] has seconds or nanoseconds that none can have, or there is none for a time that was to
/// become one, or it is a time that Rust has no value for: the years beyond 9999, a negative duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a time that is out of range")]
pub struct OutOfRange;

impl Timestamp {
    /// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, since 1970.
    const SECONDS_MIN: i64 = -62_135_596_800;
    const SECONDS_MAX: i64 = 253_402_300_799;

    fn is_valid(self) -> bool {
        (Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&self.seconds)
            && (0..NANOS_PER_SECOND).contains(&self.nanos)
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = OutOfRange;

    fn try_from(time: SystemTime) -> Result<Self, OutOfRange> {
        let (seconds, nanos) = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => (i128::from(after.as_secs()), after.subsec_nanos()),
            // Nanoseconds count forwards, so those before 1970 begin at the second before.
            Err(before) => {
                let before = before.duration().as_nanos().cast_signed();
                let second = i128::from(NANOS_PER_SECOND);
                let nanos = u32::try_from((-before).rem_euclid(second)).map_err(|_| OutOfRange)?;
                ((-before).div_euclid(second), nanos)
            }
        };
        let timestamp = Self {
            seconds: i64::try_from(seconds).map_err(|_| OutOfRange)?,
            nanos: nanos.cast_signed(),
        };
        timestamp.is_valid().then_some(timestamp).ok_or(OutOfRange)
    }
}

impl TryFrom<Timestamp> for SystemTime {
    type Error = OutOfRange;

    fn try_from(timestamp: Timestamp) -> Result<Self, OutOfRange> {
        if !timestamp.is_valid() {
            return Err(OutOfRange);
        }
        let seconds = StdDuration::from_secs(timestamp.seconds.unsigned_abs());
        let whole = match timestamp.seconds {
            0.. => Self::UNIX_EPOCH.checked_add(seconds),
            _ => Self::UNIX_EPOCH.checked_sub(seconds),
        };
        let nanos = StdDuration::from_nanos(timestamp.nanos.unsigned_abs().into());
        whole.and_then(|whole| whole.checked_add(nanos)).ok_or(OutOfRange)
    }
}

impl Duration {
    /// 10,000 years of 365.25 days.
    const SECONDS_MAX: i64 = 315_576_000_000;
}

impl TryFrom<StdDuration> for Duration {
    type Error = OutOfRange;

    fn try_from(duration: StdDuration) -> Result<Self, OutOfRange> {
        let seconds = i64::try_from(duration.as_secs()).map_err(|_| OutOfRange)?;
        if seconds > Self::SECONDS_MAX {
            return Err(OutOfRange);
        }
        Ok(Self {
            seconds,
            nanos: duration.subsec_nanos().cast_signed(),
        })
    }
}

impl TryFrom<Duration> for StdDuration {
    type Error = OutOfRange;

    /// Negative ones are out of range.
    fn try_from(duration: Duration) -> Result<Self, OutOfRange> {
        let is_valid = (0..=Duration::SECONDS_MAX).contains(&duration.seconds)
            && (0..NANOS_PER_SECOND).contains(&duration.nanos);
        if !is_valid {
            return Err(OutOfRange);
        }
        Ok(Self::new(
            duration.seconds.unsigned_abs(),
            duration.nanos.unsigned_abs(),
        ))
    }
}
