//! Figures as a person reads them.

use std::{
    collections::BTreeSet,
    fmt::Display,
    io::{self, Write},
};

use crate::{figures::Figures, read::Pass};

/// Writes two sets of figures beside each other, and an arrow where they differ.
///
/// # Errors
/// `out` does not take it.
pub fn write_comparison(out: &mut impl Write, expected: &Figures, found: &Figures) -> io::Result<()> {
    writeln!(out, "{:<16}{:>16}{:>16}", "", "in the file", "in the database")?;
    for (name, figure) in lines(expected, found) {
        let (expected, found) = (figure(expected), figure(found));
        let arrow = if expected == found { "" } else { "  <-" };
        writeln!(out, "{name:<16}{expected:>16}{found:>16}{arrow}")?;
    }
    Ok(())
}

/// Writes what readings of everything have cost, a line each.
///
/// # Errors
/// `out` does not take it.
pub fn write_passes(out: &mut impl Write, passes: &[(&str, &Pass)]) -> io::Result<()> {
    let titles = ["rows", "seconds", "batches", "statements", "round trips"];
    write!(out, "{:<6}", "")?;
    for title in titles {
        write!(out, "{title:>13}")?;
    }
    writeln!(out)?;
    for (name, pass) in passes {
        let figures = &pass.figures;
        let n_rows = grouped(figures.n_users + figures.n_orders + figures.n_items);
        let seconds = format!("{:.2}", pass.took.as_secs_f64());
        let [batches, statements, trips] = [pass.n_batches, pass.n_statements, pass.n_round_trips].map(grouped);
        writeln!(out, "{name:<6}{n_rows:>13}{seconds:>13}{batches:>13}{statements:>13}{trips:>13}")?;
    }
    Ok(())
}

/// A figure, by what it is called and how it is read.
type Line = (String, Box<dyn Fn(&Figures) -> String>);

fn lines(expected: &Figures, found: &Figures) -> Vec<Line> {
    let mut lines: Vec<Line> = vec![
        ("users".into(), Box::new(|figures| grouped(figures.n_users))),
        ("orders".into(), Box::new(|figures| grouped(figures.n_orders))),
        ("order items".into(), Box::new(|figures| grouped(figures.n_items))),
        ("CDs".into(), Box::new(|figures| grouped(figures.n_cds))),
        ("dollars".into(), Box::new(|figures| dollars(figures.cents))),
    ];
    let years: BTreeSet<i32> =
        [expected, found].into_iter().flat_map(|figures| figures.n_orders_by_year.keys().copied()).collect();
    for year in years {
        let figure = move |figures: &Figures| grouped(figures.n_orders_by_year.get(&year).copied().unwrap_or_default());
        lines.push((format!("orders of {year}"), Box::new(figure)));
    }
    lines
}

/// A whole number with its thousands apart: `69,659`.
#[must_use]
pub fn grouped(number: impl Display) -> String {
    let number = number.to_string();
    let (sign, digits) = number.strip_prefix('-').map_or(("", number.as_str()), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Cents as dollars: `2,500,315.63`.
#[must_use]
pub fn dollars(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let (dollars, cents) = ((cents / 100).abs(), (cents % 100).abs());
    format!("{sign}{}.{cents:02}", grouped(dollars))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-69_659, "-69,659"), (2_500_315, "2,500,315")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(i64::MIN), "-9,223,372,036,854,775,808");
    }

    #[test]
    fn cents_are_never_dropped() {
        for (cents, text) in [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (250_031_563, "2,500,315.63")] {
            assert_eq!(dollars(cents), text);
        }
    }

    #[test]
    fn a_difference_is_pointed_at() {
        let mut found = Figures::published();
        found.n_cds -= 1;
        found.n_orders_by_year.insert(1999, 1);
        let mut table = Vec::new();
        write_comparison(&mut table, &Figures::published(), &found).unwrap();
        let expected = "                     in the file in the database
users                     23,570          23,570
orders                    69,659          69,659
order items               69,659          69,659
CDs                      167,881         167,880  <-
dollars             2,500,315.63    2,500,315.63
orders of 1997            56,902          56,902
orders of 1998            12,757          12,757
orders of 1999                 0               1  <-
";
        assert_eq!(String::from_utf8(table).unwrap(), expected);
    }
}
