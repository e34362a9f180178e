use std::fmt;

/// The columns of the history, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Who bought.
    CustomerId,
    /// The day of the purchase.
    Date,
    /// How many CDs.
    Quantity,
    /// What they cost together.
    Amount,
}

impl Column {
    /// Every column, from left to right.
    pub const ALL: [Self; 4] = [Self::CustomerId, Self::Date, Self::Quantity, Self::Amount];

    /// The name that the header has for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomerId => "customer_id",
            Self::Date => "date",
            Self::Quantity => "quantity",
            Self::Amount => "amount",
        }
    }
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// The line; the header is line 1.
    pub line: u64,
    /// The column, unless the whole line is wrong.
    pub column: Option<Column>,
    /// What is wrong there.
    pub problem: Problem,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {}", column.name())?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for LineError {}

/// What is wrong: what was expected, and what stands there, cut at 40 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file has no line at all.
    #[error("expected the header `customer_id,date,quantity,amount`, found an empty file")]
    EmptyFile,
    /// The header has another name here: unknown, or not in its place.
    #[error("expected the header `customer_id,date,quantity,amount`, found {0:?} here")]
    Header(String),
    /// The line is empty.
    #[error("expected four columns, found an empty line")]
    BlankLine,
    /// The line is longer than a kilobyte.
    #[error("expected four columns, found a line of more than a kilobyte")]
    LongLine,
    /// The line ends before this column.
    #[error("expected four columns, this one is missing")]
    MissingColumn,
    /// The line goes on after the last column.
    #[error("expected four columns, found {0}")]
    ExtraColumns(usize),
    /// The bytes are no text.
    #[error("expected UTF-8, found other bytes")]
    NotUtf8,
    /// Something other than digits where a whole number belongs.
    #[error("expected a whole number, found {0:?}")]
    NotANumber(String),
    /// Zero or less.
    #[error("expected a whole number from 1 up, found {0:?}")]
    NotPositive(String),
    /// More than the database can hold.
    #[error("expected a whole number up to {max}, found {found:?}")]
    TooLarge {
        /// What stands there.
        found: String,
        /// The largest that would do.
        max: u64,
    },
    /// A customer whose number is below that of the line before.
    #[error("expected customers in ascending order, found {found} after {before}")]
    OutOfOrder {
        /// The number.
        found: u32,
        /// That of the line before.
        before: u32,
    },
    /// Not of the shape of a date.
    #[error("expected a date like 1997-01-31, found {0:?}")]
    NotADate(String),
    /// A date that the calendar lacks.
    #[error("expected a day of the calendar, found {0:?}")]
    NoSuchDay(String),
    /// Not of the shape of an amount.
    #[error("expected an amount like 11.77, found {0:?}")]
    NotAnAmount(String),
    /// Less than nothing.
    #[error("expected an amount from 0.00 up, found {0:?}")]
    Negative(String),
    /// More dollars than `DECIMAL(10, 2)` holds.
    #[error("expected an amount up to 99999999.99, found {0:?}")]
    TooManyDigits(String),
    /// Fractions of a cent.
    #[error("expected at most two decimals, found {0:?}")]
    TooManyDecimals(String),
}

impl Problem {
    pub(super) fn at(self, line: u64, column: Option<Column>) -> LineError {
        LineError { line, column, problem: self }
    }
}

/// What stands in the file, as far as one wants to read it in a message.
pub(super) fn quote(text: &str) -> String {
    text.chars().take(40).collect()
}
