//! Days and months of the Gregorian calendar, in UTC.

/// Microseconds of a day, an hour and a second.
pub(super) const DAY: i64 = 24 * HOUR;
pub(super) const HOUR: i64 = 3_600 * SECOND;
pub(super) const SECOND: i64 = 1_000_000;

/// A day: year, month from 1 to 12, day from 1.
pub(super) type Date = (i64, i64, i64);

/// How many days a date is after the first of January 1970, by Howard Hinnant's `days_from_civil`.
pub(super) fn days_of((year, month, day): Date) -> i64 {
    // The year begins with March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after the first of January 1970, by his `civil_from_days`.
pub(super) fn date_of(days: i64) -> Date {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The date of a moment, in microseconds since 1970, and what of the day is over.
pub(super) fn split(moment: i64) -> (Date, i64) {
    (date_of(moment.div_euclid(DAY)), moment.rem_euclid(DAY))
}

/// How many months the month of a date is after the first month of the year 0.
pub(super) fn months_of((year, month, _): Date) -> i64 {
    year * 12 + month - 1
}

/// When that month begins, in microseconds since 1970.
pub(super) fn start_of_month(months: i64) -> i64 {
    days_of((months.div_euclid(12), months.rem_euclid(12) + 1, 1)) * DAY
}

/// The same time of the same day so many months earlier, or of the last day of that month if it is shorter: as PostgreSQL subtracts.
pub(super) fn months_before(moment: i64, n: i64) -> i64 {
    let (date, of_day) = split(moment);
    let months = months_of(date) - n;
    let days = (start_of_month(months + 1) - start_of_month(months)) / DAY;
    start_of_month(months) + (date.2.min(days) - 1) * DAY + of_day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1_799, 12, 31);
        for days in days_of((1_800, 1, 1))..days_of((2_201, 1, 1)) {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (month, day) if day == length => (year, month + 1, 1),
                (month, day) => (year, month, day + 1),
            };
            assert_eq!((date_of(days), days_of((year, month, day))), ((year, month, day), days));
        }
        assert_eq!((year, month, day, days_of((1_970, 1, 1))), (2_200, 12, 31, 0));
    }

    #[test]
    fn months_before_stay_in_their_month() {
        let at = |date| days_of(date) * DAY + 5 * HOUR;
        for (from, n, to) in [
            ((2024, 3, 31), 1, (2024, 2, 29)),
            ((2023, 3, 31), 1, (2023, 2, 28)),
            ((2024, 2, 29), 12, (2023, 2, 28)),
            ((2024, 1, 15), 1, (2023, 12, 15)),
            ((2100, 3, 31), 13, (2099, 2, 28)),
        ] {
            assert_eq!(months_before(at(from), n), at(to), "{from:?} - {n}");
        }
    }
}
