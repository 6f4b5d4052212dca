//! Times to and from Rust's own, at every edge.

use std::time::{Duration as StdDuration, SystemTime};

use crake_wire::well_known::{Duration, OutOfRange, Timestamp};
use proptest::prelude::*;

const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
const LAST_NANO: i32 = 999_999_999;

fn timestamp(seconds: i64, nanos: i32) -> Result<SystemTime, OutOfRange> {
    SystemTime::try_from(Timestamp { seconds, nanos })
}

#[test]
fn the_years_1_to_9999_are_points_in_time() {
    for (seconds, nanos) in [
        (0, 0),
        (0, 1),
        (-1, LAST_NANO),
        (-1, 0),
        (FIRST_SECOND, 0),
        (FIRST_SECOND, 1),
        (LAST_SECOND, LAST_NANO),
    ] {
        let time = timestamp(seconds, nanos).unwrap();
        assert_eq!(Timestamp::try_from(time), Ok(Timestamp { seconds, nanos }));
    }
    assert_eq!(timestamp(0, 0), Ok(SystemTime::UNIX_EPOCH));
    let half_a_second_before = SystemTime::UNIX_EPOCH - StdDuration::from_millis(500);
    assert_eq!(timestamp(-1, 500_000_000), Ok(half_a_second_before));
}

#[test]
fn other_points_in_time_are_out_of_range() {
    for (seconds, nanos) in [
        (FIRST_SECOND - 1, LAST_NANO),
        (LAST_SECOND + 1, 0),
        (i64::MIN, 0),
        (i64::MAX, LAST_NANO),
        (0, -1),
        (0, LAST_NANO + 1),
        (0, i32::MIN),
        (0, i32::MAX),
    ] {
        assert_eq!(timestamp(seconds, nanos), Err(OutOfRange), "{seconds} {nanos}");
    }
    let nano = StdDuration::from_nanos(1);
    let first = timestamp(FIRST_SECOND, 0).unwrap();
    let last = timestamp(LAST_SECOND, LAST_NANO).unwrap();
    assert_eq!(Timestamp::try_from(first - nano), Err(OutOfRange));
    assert_eq!(Timestamp::try_from(last + nano), Err(OutOfRange));
}

#[test]
fn durations_are_ten_thousand_years_at_most() {
    const MOST: i64 = 315_576_000_000;
    let duration = |seconds, nanos| StdDuration::try_from(Duration { seconds, nanos });
    assert_eq!(duration(0, 0), Ok(StdDuration::ZERO));
    assert_eq!(duration(1, 5), Ok(StdDuration::new(1, 5)));
    assert_eq!(
        duration(MOST, LAST_NANO),
        Ok(StdDuration::new(MOST as u64, LAST_NANO as u32))
    );
    for (seconds, nanos) in [
        (MOST + 1, 0),
        (i64::MAX, 0),
        (0, LAST_NANO + 1),
        (1, -1),
        (0, -1),
        (-1, 0),
        (i64::MIN, i32::MIN),
    ] {
        assert_eq!(duration(seconds, nanos), Err(OutOfRange), "{seconds} {nanos}");
    }
    let most = StdDuration::new(MOST as u64, LAST_NANO as u32);
    assert_eq!(
        Duration::try_from(most),
        Ok(Duration {
            seconds: MOST,
            nanos: LAST_NANO
        })
    );
    assert_eq!(
        Duration::try_from(most + StdDuration::from_nanos(1)),
        Err(OutOfRange)
    );
    assert_eq!(Duration::try_from(StdDuration::MAX), Err(OutOfRange));
}

proptest! {
    #[test]
    fn times_come_back(seconds in FIRST_SECOND..=LAST_SECOND, nanos in 0..=LAST_NANO) {
        let time = timestamp(seconds, nanos).unwrap();
        prop_assert_eq!(Timestamp::try_from(time), Ok(Timestamp { seconds, nanos }));
    }

    /// Whatever is asked for, the answer is a value or `OutOfRange`, and a value comes back.
    #[test]
    fn any_numbers_are_harmless(seconds in any::<i64>(), nanos in any::<i32>()) {
        if let Ok(time) = timestamp(seconds, nanos) {
            prop_assert_eq!(Timestamp::try_from(time), Ok(Timestamp { seconds, nanos }));
        }
        if let Ok(duration) = StdDuration::try_from(Duration { seconds, nanos }) {
            prop_assert_eq!(Duration::try_from(duration), Ok(Duration { seconds, nanos }));
        }
    }
}
