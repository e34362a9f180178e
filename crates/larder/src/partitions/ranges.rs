//! Which ranges there should be at a moment, and which not any more.

use std::fmt::{self, Write as _};

use super::{
    calendar::{DAY, HOUR, SECOND, days_of, months_before, months_of, split, start_of_month},
    scheme::{Line, Ranges, Step},
};

/// 1970 began on a Thursday.
const MONDAY: i64 = 4 * DAY;

/// What PostgreSQL's calendar and ours both have: from the year 1 to the year 9999.
const YEARS: std::ops::Range<i64> = 1..10_000;

/// More hours than the calendar has: whatever is longer is all of it.
const MOST_HOURS: u32 = 24 * 366 * 10_000;

/// Where a range begins, or ends.
///
/// A number, or microseconds since 1970 in UTC: as [`Ranges::line`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// `MINVALUE`: before everything.
    Min,
    /// There.
    At(i64),
    /// `MAXVALUE`: after everything.
    Max,
}

/// A range: `from` is in it, and `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its first value.
    pub from: Bound,
    /// The first value behind it.
    pub to: Bound,
}

impl Span {
    fn of(from: i64, to: i64) -> Self {
        Self { from: Bound::At(from), to: Bound::At(to) }
    }

    fn has(&self, value: i64) -> bool {
        self.from <= Bound::At(value) && Bound::At(value) < self.to
    }

    fn is_empty(&self) -> bool {
        self.from >= self.to
    }
}

impl Ranges {
    /// The range of the scheme that has this value: `None` outside of the years 1 to 9999.
    #[must_use]
    pub fn around(&self, value: i64) -> Option<Span> {
        let span = match self.every {
            Step::Numbers(n) => {
                let n = n.max(1);
                let from = value.checked_sub(value.rem_euclid(n))?;
                Span::of(from, from.checked_add(n)?)
            }
            Step::Hours(n) => {
                is_in_calendar(value).then_some(())?;
                let length = i64::from(n.clamp(1, MOST_HOURS)) * HOUR;
                let origin = if length % (7 * DAY) == 0 { MONDAY } else { 0 };
                let from = value - (value - origin).rem_euclid(length);
                Span::of(from, from + length)
            }
            Step::Months(n) => {
                let n = n.max(1);
                is_in_calendar(value).then_some(())?;
                let months = months_of(split(value).0);
                let from = months - months.rem_euclid(n.into());
                Span::of(start_of_month(from), start_of_month(from + i64::from(n)))
            }
        };
        Some(span)
    }

    /// The ranges that rows are about to come into: the one that has `now`, and those ahead of it.
    #[must_use]
    pub fn wanted(&self, now: i64) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut next = Some(now);
        while let Some(value) = next.filter(|_| spans.len() <= self.ahead as usize) {
            let Some(span) = self.around(value) else { break };
            next = match span.to {
                Bound::At(to) => Some(to),
                _ => None,
            };
            spans.push(span);
        }
        spans
    }

    /// What is lacking of those ranges where there are others already: whole ones, and what others leave of them.
    #[must_use]
    pub fn missing(&self, now: i64, found: &[Span]) -> Vec<Span> {
        self.wanted(now).into_iter().flat_map(|span| gaps(span, found)).collect()
    }

    /// The range that is to be made for a row that has none: the gap around its value.
    ///
    /// `None` if there is one, or the value lies ahead of all [wanted](Self::wanted) ranges, or outside of the calendar.
    #[must_use]
    pub fn home(&self, value: i64, now: i64, found: &[Span]) -> Option<Span> {
        let end = self.wanted(now).last()?.to;
        let span = self.around(value).filter(|_| Bound::At(value) < end)?;
        gaps(span, found).into_iter().find(|gap| gap.has(value))
    }

    /// The first value behind all that is wanted, if there is any.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub(crate) fn end(&self, now: i64) -> Option<i64> {
        match self.wanted(now).last()?.to {
            Bound::At(to) => Some(to),
            _ => None,
        }
    }

    /// The first value that is kept: ranges that end there, or before, are to go. `None` if all is kept.
    #[must_use]
    pub fn horizon(&self, now: i64) -> Option<i64> {
        match self.keep? {
            Step::Numbers(n) => now.checked_sub(n),
            Step::Hours(n) => now.checked_sub(i64::from(n.min(MOST_HOURS)) * HOUR),
            Step::Months(n) => is_in_calendar(now).then(|| months_before(now, n.into())),
        }
    }

    /// Whether a range has nothing but what is not kept any more.
    #[must_use]
    pub fn is_expired(&self, span: Span, now: i64) -> bool {
        self.horizon(now).is_some_and(|horizon| span.to <= Bound::At(horizon))
    }

    /// What is appended to the table's name: `_p20261101`, as pg_partman 5 has it, and `_p20261101_060000` where a range does not begin at
    /// midnight. Of numbers `_p1000000`.
    #[must_use]
    pub fn suffix(&self, span: Span) -> String {
        let Bound::At(from) = span.from else { return "_pmin".to_owned() };
        if self.line == Line::Numbers {
            // A minus sign would have to be quoted.
            return format!("_p{}{}", if from < 0 { "m" } else { "" }, from.unsigned_abs());
        }
        let ((year, month, day), of_day) = split(from);
        let mut suffix = format!("_p{year:04}{month:02}{day:02}");
        if of_day != 0 {
            let seconds = of_day / SECOND;
            // Writing to a string can't fail.
            let _ = write!(suffix, "_{:02}{:02}{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
            if of_day % SECOND != 0 {
                let _ = write!(suffix, "_{:06}", of_day % SECOND);
            }
        }
        suffix
    }

    /// A bound as SQL has it, in whatever time zone the session is.
    #[must_use]
    pub fn literal(&self, bound: Bound) -> String {
        let at = match bound {
            Bound::Min => return "MINVALUE".to_owned(),
            Bound::Max => return "MAXVALUE".to_owned(),
            Bound::At(at) => at,
        };
        match self.line {
            Line::Numbers => format!("'{at}'"),
            line => format!("'{}'", Written { line, at }),
        }
    }
}

/// A moment as SQL reads it.
struct Written {
    line: Line,
    at: i64,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((year, month, day), of_day) = split(self.at);
        // There was no year 0.
        let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        if self.line != Line::Days {
            let seconds = of_day / SECOND;
            write!(f, " {:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
            if of_day % SECOND != 0 {
                write!(f, ".{:06}", of_day % SECOND)?;
            }
            if self.line == Line::Moments {
                f.write_str("+00")?;
            }
        }
        f.write_str(era)
    }
}

fn is_in_calendar(moment: i64) -> bool {
    (days_of((YEARS.start, 1, 1)) * DAY..days_of((YEARS.end, 1, 1)) * DAY).contains(&moment)
}

/// What others leave of a range, in order.
fn gaps(span: Span, found: &[Span]) -> Vec<Span> {
    let mut others: Vec<Span> = found.to_vec();
    others.sort_unstable();
    let (mut gaps, mut from) = (Vec::new(), span.from);
    for other in others {
        let gap = Span { from, to: other.from.min(span.to) };
        if !gap.is_empty() {
            gaps.push(gap);
        }
        from = from.max(other.to);
    }
    let gap = Span { from, to: span.to };
    if !gap.is_empty() {
        gaps.push(gap);
    }
    gaps
}

#[cfg(test)]
mod tests;
