//! Times to live as people write them: `500ms`, `10s`, `5m`, `2h`, `7d`.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// A time to live, at least a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl(pub Duration);

/// A time to live, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlOrNone(pub Option<Duration>);

/// A text is no [`Ttl`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a time; write a whole number and a unit: 500ms, 10s, 5m, 2h or 7d")]
pub struct TtlError(String);

/// Milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl FromStr for Ttl {
    type Err = TtlError;

    fn from_str(text: &str) -> Result<Ttl, TtlError> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let unit_ms = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
        let ms = number
            .parse::<u64>()
            .ok()
            .zip(unit_ms)
            .and_then(|(number, unit_ms)| number.checked_mul(unit_ms));
        match ms {
            None | Some(0) => Err(TtlError(text.into())),
            Some(ms) => Ok(Ttl(Duration::from_millis(ms))),
        }
    }
}

impl FromStr for TtlOrNone {
    type Err = TtlError;

    fn from_str(text: &str) -> Result<TtlOrNone, TtlError> {
        match text {
            "none" => Ok(TtlOrNone(None)),
            text => text.parse().map(|Ttl(ttl)| TtlOrNone(Some(ttl))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("1ms", 1),
            ("10s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(text.parse(), Ok(Ttl(Duration::from_millis(ms))));
            assert_eq!(text.parse(), Ok(TtlOrNone(Some(Duration::from_millis(ms)))));
        }
        assert_eq!("none".parse(), Ok(TtlOrNone(None)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "10 s",
            "1w",
            "99999999999999999999s",
            "300000000000d",
        ] {
            assert!(text.parse::<Ttl>().is_err(), "{text}");
        }
        assert!("none".parse::<Ttl>().is_err());
    }
}
