//! Numbers of bytes as people write them: `64KiB`, `1.5MiB`, `2GB`, `4096`.
//!
//! `KiB`, `MiB`, `GiB`, `TiB` and their short forms `K`, `M`, `G`, `T` count in 1024s, as GNU tools do; `kB`, `MB`,
//! `GB`, `TB` count in 1000s. Case does not matter.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// A number of bytes. Its printed form reads back as the same number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Why a text is no [`Size`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SizeError {
    /// There is no digit where the number should be.
    #[error("`{0}` is not a size; write a number and a unit, as in 64KiB, 1.5MiB or 4096")]
    NotANumber(String),
    /// The letters after the number name no unit.
    #[error("`{0}` is not a unit of size; known are B, KiB, MiB, GiB, TiB, kB, MB, GB, TB")]
    UnknownUnit(String),
    /// The number of bytes does not fit 64 bits.
    #[error("`{0}` is more than 2^64 bytes")]
    TooLarge(String),
    /// The number is no whole number of bytes.
    #[error("`{0}` is not a whole number of bytes")]
    Fraction(String),
}

const BINARY_UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Size, SizeError> {
        let trimmed = text.trim();
        let unit_at = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(unit_at);
        let unit_bytes = unit_bytes(unit.trim())?;
        let (digits, scale) = decimal(number).ok_or_else(|| not_a_number(text))?;
        let scaled = digits
            .checked_mul(u128::from(unit_bytes))
            .ok_or_else(|| SizeError::TooLarge(text.into()))?;
        if scaled % scale != 0 {
            return Err(SizeError::Fraction(text.into()));
        }
        u64::try_from(scaled / scale)
            .map(Size)
            .map_err(|_| SizeError::TooLarge(text.into()))
    }
}

/// The digits without their point, and the power of ten that the point stands for.
fn decimal(number: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let digits = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some((digits, scale))
}

fn not_a_number(text: &str) -> SizeError {
    SizeError::NotANumber(text.into())
}

fn unit_bytes(unit: &str) -> Result<u64, SizeError> {
    Ok(match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(SizeError::UnknownUnit(unit.into())),
    })
}

impl fmt::Display for Size {
    /// The largest unit in which the number has at most two decimals, else plain bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, unit_bytes) in BINARY_UNITS {
            let hundredths = u128::from(self.0) * 100;
            if self.0 >= unit_bytes && hundredths.is_multiple_of(u128::from(unit_bytes)) {
                let hundredths = hundredths / u128::from(unit_bytes);
                return f.pad(&format!("{}{unit}", shortest(hundredths)));
            }
        }
        f.pad(&self.0.to_string())
    }
}

impl Size {
    /// For people: at most one decimal, rounded up as `ls -h` does it, so that something is never nothing.
    pub fn rounded(self) -> String {
        for (unit, unit_bytes) in BINARY_UNITS {
            if self.0 >= unit_bytes {
                let tenths = (u128::from(self.0) * 10).div_ceil(u128::from(unit_bytes));
                return match tenths {
                    100.. => format!("{}{unit}", tenths.div_ceil(10)),
                    _ => format!("{}.{}{unit}", tenths / 10, tenths % 10),
                };
            }
        }
        self.0.to_string()
    }
}

/// Hundredths as a decimal number without trailing zeros.
fn shortest(hundredths: u128) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(text: &str) -> Result<u64, SizeError> {
        text.parse::<Size>().map(|size| size.0)
    }

    #[test]
    fn reads_every_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("17B", 17),
            ("64KiB", 65_536),
            ("64k", 65_536),
            ("1.5MiB", 1_572_864),
            ("2GiB", 2 << 30),
            ("1 TiB", 1 << 40),
            ("64kB", 64_000),
            ("1.25GB", 1_250_000_000),
            ("3MB", 3_000_000),
            ("2TB", 2_000_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_size() {
        for text in ["", "KiB", "-1", ".5MiB", "1.", "1.2.3", "ten"] {
            assert!(
                matches!(
                    size(text),
                    Err(SizeError::NotANumber(_) | SizeError::UnknownUnit(_))
                ),
                "{text}"
            );
        }
        assert_eq!(size("5furlongs"), Err(SizeError::UnknownUnit("furlongs".into())));
        assert_eq!(
            size("16777216TiB"),
            Err(SizeError::TooLarge("16777216TiB".into()))
        );
        assert_eq!(size("1.5"), Err(SizeError::Fraction("1.5".into())));
        assert_eq!(size("0.1KiB"), Err(SizeError::Fraction("0.1KiB".into())));
    }

    #[test]
    fn a_number_that_no_integer_holds_is_an_error() {
        assert!(size(&"9".repeat(200)).is_err());
        assert!(size(&format!("0.{}", "1".repeat(200))).is_err());
    }

    #[test]
    fn prints_the_largest_fitting_unit() {
        for (bytes, text) in [
            (0, "0"),
            (1000, "1000"),
            (1024, "1KiB"),
            (1536, "1.5KiB"),
            (65_536, "64KiB"),
            (1_572_864, "1.5MiB"),
            (1_000_000, "1000000"),
            (3 << 40, "3TiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes: u64) {
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = text.parse::<Size>();
        }
    }
}
