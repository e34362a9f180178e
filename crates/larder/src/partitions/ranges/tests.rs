use super::*;
use crate::partitions::calendar::SECOND as S;

fn ranges(line: Line, every: Step, keep: Option<Step>, ahead: u32) -> Ranges {
    Ranges { line, every, keep, ahead }
}

fn moment(year: i64, month: i64, day: i64) -> i64 {
    days_of((year, month, day)) * DAY
}

fn names(ranges: &Ranges, spans: &[Span]) -> Vec<String> {
    spans.iter().map(|span| ranges.suffix(*span)).collect()
}

#[test]
fn months_are_made_ahead_over_the_end_of_the_year() {
    let months = ranges(Line::Moments, Step::Months(1), Some(Step::Months(24)), 3);
    let now = moment(2026, 11, 23) + 7 * HOUR;
    let wanted = months.wanted(now);
    assert_eq!(names(&months, &wanted), ["_p20261101", "_p20261201", "_p20270101", "_p20270201"]);
    let literals: Vec<_> = wanted.iter().map(|span| (months.literal(span.from), months.literal(span.to))).collect();
    assert_eq!(literals[1], ("'2026-12-01 00:00:00+00'".to_owned(), "'2027-01-01 00:00:00+00'".to_owned()));
    assert_eq!(months.horizon(now), Some(moment(2024, 11, 23) + 7 * HOUR));
    let october = Span::of(moment(2024, 10, 1), moment(2024, 11, 1));
    assert!(months.is_expired(october, now) && !months.is_expired(october, moment(2026, 10, 31)));
    assert!(!months.is_expired(Span { to: Bound::Max, ..october }, now));
}

#[test]
fn what_others_have_is_left_to_them() {
    let months = ranges(Line::Moments, Step::Months(1), None, 2);
    let now = moment(2026, 11, 23);
    // A table that was there before has all up to a row of this month.
    let legacy = Span { from: Bound::Min, to: Bound::At(moment(2026, 11, 23) + 5 * HOUR + 30 * S + 7) };
    let missing = months.missing(now, &[legacy]);
    assert_eq!(names(&months, &missing), ["_p20261123_050030_000007", "_p20261201", "_p20270101"]);
    assert_eq!(months.literal(missing[0].from), "'2026-11-23 05:00:30.000007+00'");
    let december = Span::of(moment(2026, 12, 1), moment(2027, 1, 1));
    assert_eq!(names(&months, &months.missing(now, &[december, legacy])), ["_p20261123_050030_000007", "_p20270101"]);
    assert_eq!(months.missing(now, &[Span { from: Bound::Min, to: Bound::Max }]), []);
    // One in the middle of a month leaves two pieces of it.
    let middle = Span::of(moment(2026, 11, 10), moment(2026, 11, 20));
    assert_eq!(names(&months, &months.missing(now, &[middle])[..2]), ["_p20261101", "_p20261120"]);
    assert_eq!(months.home(moment(2026, 11, 25), now, &[middle]).unwrap().from, Bound::At(moment(2026, 11, 20)));
    assert_eq!(months.home(moment(2026, 11, 12), now, &[middle]), None);
    assert_eq!(months.home(moment(2027, 2, 1), now, &[middle]), None, "it is ahead of all that are wanted");
}

#[test]
fn other_lengths_begin_where_the_calendar_says() {
    let at = moment(2024, 2, 29) + 13 * HOUR + 30 * 60 * S;
    for (line, every, expected, literal) in [
        (Line::Days, Step::Months(12), "_p20240101", "'2024-01-01'"),
        (Line::Timestamps, Step::Months(3), "_p20240101", "'2024-01-01 00:00:00'"),
        (Line::Days, Step::Hours(7 * 24), "_p20240226", "'2024-02-26'"),
        (Line::Moments, Step::Hours(24), "_p20240229", "'2024-02-29 00:00:00+00'"),
        (Line::Moments, Step::Hours(6), "_p20240229_120000", "'2024-02-29 12:00:00+00'"),
    ] {
        let ranges = ranges(line, every, None, 0);
        let span = ranges.around(at).unwrap();
        assert_eq!((ranges.suffix(span).as_str(), ranges.literal(span.from).as_str()), (expected, literal));
    }
}

#[test]
fn numbers_go_on_from_the_largest() {
    let numbers = ranges(Line::Numbers, Step::Numbers(1_000), Some(Step::Numbers(5_000)), 1);
    assert_eq!(numbers.wanted(7_999), [Span::of(7_000, 8_000), Span::of(8_000, 9_000)]);
    assert!(numbers.is_expired(Span::of(2_000, 2_999), 7_999) && !numbers.is_expired(Span::of(2_000, 3_000), 7_999));
    assert_eq!(numbers.suffix(Span::of(-2_000, -1_000)), "_pm2000");
    assert_eq!(numbers.literal(Bound::At(-2_000)), "'-2000'");
    assert_eq!(numbers.around(-1).unwrap(), Span::of(-1_000, 0));
}

#[test]
fn the_ends_of_the_line_are_no_reason_to_panic() {
    let numbers = ranges(Line::Numbers, Step::Numbers(1_000), Some(Step::Numbers(i64::MAX)), 3);
    let months = ranges(Line::Moments, Step::Months(120_000), Some(Step::Months(120_000)), u32::MAX);
    let nothing = ranges(Line::Moments, Step::Hours(0), Some(Step::Hours(u32::MAX)), 3);
    for now in [i64::MIN, i64::MIN + 1, 0, i64::MAX - 1, i64::MAX] {
        for ranges in [&numbers, &months, &nothing] {
            let _ =
                (ranges.wanted(now).len(), ranges.horizon(now), ranges.missing(now, &[]), ranges.home(now, now, &[]));
        }
    }
    assert_eq!(months.literal(Bound::At(moment(-43, 3, 15))), "'0044-03-15 00:00:00+00 BC'");
}

/// Whatever the scheme and the day: ranges lie end to end, the first one has the present, and time never leaves a gap.
#[test]
fn every_moment_of_any_scheme_has_one_range() {
    let mut seed = 20_261_123_u64;
    let mut next = |n: i64| {
        // Xorshift: the sequence is the same in every run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        i64::try_from(seed >> 1).unwrap_or(0).rem_euclid(n)
    };
    for _ in 0..20_000 {
        let every = match next(3) {
            0 => Step::Months(u32::try_from(1 + next(30)).unwrap()),
            1 => Step::Hours(24 * u32::try_from(1 + next(60)).unwrap()),
            _ => Step::Hours(u32::try_from(1 + next(100)).unwrap()),
        };
        let keep = Step::Months(u32::try_from(1 + next(60)).unwrap());
        let ranges = ranges(Line::Moments, every, Some(keep), u32::try_from(next(5)).unwrap());
        let now = moment(1_900, 1, 1) + next(300 * 365 * DAY);
        let wanted = ranges.wanted(now);
        assert_eq!(wanted.len(), ranges.ahead as usize + 1);
        assert!(wanted[0].has(now), "{ranges:?} at {now}");
        assert!(wanted.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].from < pair[0].to));
        // Each value of a range gives that range, to its very end.
        for span in &wanted {
            let (Bound::At(from), Bound::At(to)) = (span.from, span.to) else { panic!("a range without ends") };
            for value in [from, to - 1, from + next(to - from)] {
                assert_eq!(ranges.around(value), Some(*span));
            }
        }
        // Later on, only what is new is missing, and nothing that is still wanted has expired.
        let later = now + next(400 * DAY);
        let missing = ranges.missing(later, &wanted);
        let mut all: Vec<_> =
            wanted.iter().chain(&missing).copied().filter(|span| !ranges.is_expired(*span, later)).collect();
        all.sort_unstable();
        assert!(ranges.wanted(later).iter().all(|span| all.contains(span)));
        let names: std::collections::BTreeSet<_> = names(&ranges, &all).into_iter().collect();
        assert_eq!(names.len(), all.len());
        assert!(ranges.horizon(later).unwrap() < later);
    }
}
