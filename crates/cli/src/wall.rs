//! Times of day for people, in UTC.

/// `2026-11-21 08:50` of nanoseconds since the Unix epoch.
pub fn minutes(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (year, month, day) = date(seconds / 86_400);
    let minutes = seconds % 86_400 / 60;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        minutes / 60,
        minutes % 60
    )
}

/// The same with seconds: `2026-11-21 08:50:07`.
pub fn seconds(ns: u64) -> String {
    format!("{}:{:02}", minutes(ns), ns / 1_000_000_000 % 60)
}

/// The Gregorian date of a day since 1970-01-01, by years that begin in March: then the leap day is their last.
fn date(days: u64) -> (u64, u64, u64) {
    // 0000-03-01 is 719,468 days before 1970-01-01; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // The seconds are what `date -u +%s -d` says.
        for (at, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_709_251_199, "2024-02-29 23:59:59"),
            (1_795_250_400, "2026-11-21 08:40:00"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(seconds(at * 1_000_000_000), text);
        }
    }
}
