//! Reads the purchase history: `customer_id,date,quantity,amount`, a line a purchase.
//!
//! Strict, since a figure that is guessed is a figure that is lost: the header is exactly that, every line has exactly those
//! four columns, and whatever is wrong is named by line and column. A byte-order mark and CRLF line ends are tolerated. The
//! format has no quotes, so a line is split by hand and not by a CSV library, to which a stray quote opens a column of
//! many lines.

mod error;
mod field;
mod lines;

use std::io::{self, BufRead};

use chrono::NaiveDate;

pub use self::error::{Column, LineError, Problem};
use self::lines::{Line, Lines};

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The line it stands on; the header is line 1.
    pub line: u64,
    /// Who bought, from 1.
    pub customer: u32,
    /// The day.
    pub date: NaiveDate,
    /// How many CDs; at least one.
    pub quantity: i32,
    /// What they cost together, in cents; at most 9,999,999,999, where `DECIMAL(10, 2)` ends.
    pub cents: i64,
}

/// Why a line could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The line is wrong: all that is wrong with it, at least one thing, from left to right.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Line(Vec<LineError>),
    /// The file can't be read any further.
    #[error("the file can't be read")]
    Io(#[from] io::Error),
}

/// The purchases of a history, in the order of its lines. It goes on after a wrong line, and ends after an I/O error.
pub struct Reader<R> {
    lines: Lines<R>,
    customer_before: u32,
    broken: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// The file is empty, can't be read, or does not begin with the header.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let mut lines = Lines::new(input);
        match lines.next()? {
            None => return Err(ReadError::Line(vec![Problem::EmptyFile.at(1, None)])),
            Some(header) => check_header(&header).map_err(ReadError::Line)?,
        }
        Ok(Self { lines, customer_before: 0, broken: false })
    }

    /// How many bytes of the file have been read.
    pub fn n_bytes(&self) -> u64 {
        self.lines.n_bytes()
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Purchase, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        match self.lines.next() {
            Ok(None) => None,
            Ok(Some(line)) => {
                let purchase = purchase(&line, self.customer_before).map_err(ReadError::Line);
                if let Ok(purchase) = &purchase {
                    self.customer_before = purchase.customer;
                }
                Some(purchase)
            }
            Err(error) => {
                self.broken = true;
                Some(Err(error.into()))
            }
        }
    }
}

fn purchase(line: &Line<'_>, customer_before: u32) -> Result<Purchase, Vec<LineError>> {
    if line.bytes.is_empty() {
        return Err(vec![Problem::BlankLine.at(line.number, None)]);
    }
    let [customer, date, quantity, cents] = split(line)?;
    let mut errors = Vec::new();
    let mut keep = |column, problem: Problem| errors.push(problem.at(line.number, Some(column)));
    let customer = field::customer(customer, customer_before).map_err(|problem| keep(Column::CustomerId, problem));
    let date = field::date(date).map_err(|problem| keep(Column::Date, problem));
    let quantity = field::quantity(quantity).map_err(|problem| keep(Column::Quantity, problem));
    let cents = field::cents(cents).map_err(|problem| keep(Column::Amount, problem));
    match (customer, date, quantity, cents) {
        (Ok(customer), Ok(date), Ok(quantity), Ok(cents)) => {
            Ok(Purchase { line: line.number, customer, date, quantity, cents })
        }
        _ => Err(errors),
    }
}

fn check_header(line: &Line<'_>) -> Result<(), Vec<LineError>> {
    let found = split(line)?;
    let errors: Vec<_> = Column::ALL
        .into_iter()
        .zip(found)
        .filter(|(column, found)| *found != column.name().as_bytes())
        .map(|(column, found)| {
            let found = error::quote(&String::from_utf8_lossy(found));
            Problem::Header(found).at(line.number, Some(column))
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The four columns of a line, or what keeps it from having four.
fn split<'a>(line: &Line<'a>) -> Result<[&'a [u8]; 4], Vec<LineError>> {
    if !line.is_whole {
        return Err(vec![Problem::LongLine.at(line.number, None)]);
    }
    let columns: Vec<_> = line.bytes.split(|byte| *byte == b',').collect();
    columns.as_slice().try_into().map_err(|_| {
        let missing = Column::ALL.into_iter().skip(columns.len());
        let errors: Vec<_> = missing.map(|column| Problem::MissingColumn.at(line.number, Some(column))).collect();
        if errors.is_empty() { vec![Problem::ExtraColumns(columns.len()).at(line.number, None)] } else { errors }
    })
}

#[cfg(test)]
mod tests;
