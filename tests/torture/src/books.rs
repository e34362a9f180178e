//! Sheets and their lines: what a sheet comes to stands beside it, and is maintained with every write of its lines.

use std::{collections::BTreeMap, fmt};

use diesel::pg::Pg;
use diesel::{
    ExpressionMethods as _, PgConnection, QueryResult, Queryable, RunQueryDsl as _, Selectable,
    connection::SimpleConnection as _,
    prelude::{AsChangeset, Identifiable, Insertable},
    query_dsl::methods::FindDsl as _,
};
use larder::{Repository, Result, Tx};
use uuid::Uuid;

use crate::rows::{Cast, Key, Value};

/// How many sheets and lines a schedule knows; the last line is not there at first.
pub const N_SHEETS: usize = 2;
/// As [`N_SHEETS`].
pub const N_LINES: usize = 4;

diesel::table! {
    /// What lines are on.
    sheets (id) {
        /// The primary key.
        id -> Uuid,
        /// How many lines are on it.
        n_lines -> BigInt,
        /// What they come to.
        total -> BigInt,
    }
}

diesel::table! {
    /// What is counted.
    lines (id) {
        /// The primary key.
        id -> Uuid,
        /// The sheet that it is on.
        sheet_id -> Uuid,
        /// How often.
        quantity -> BigInt,
        /// What one costs.
        price -> BigInt,
    }
}

diesel::table! {
    /// What the lines of a sheet come to, of each sheet that has any.
    sheet_totals (sheet_id) {
        /// The sheet.
        sheet_id -> Uuid,
        /// How many lines are on it.
        n_lines -> BigInt,
        /// What they come to.
        total -> BigInt,
    }
}

/// The tables.
pub const UP: &str = "
CREATE TABLE sheets (id uuid PRIMARY KEY, n_lines bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0);
CREATE TABLE lines (id uuid PRIMARY KEY, sheet_id uuid NOT NULL REFERENCES sheets ON DELETE CASCADE, quantity bigint NOT NULL,
    price bigint NOT NULL);
CREATE INDEX ON lines (sheet_id);
CREATE TABLE sheet_totals (sheet_id uuid PRIMARY KEY, n_lines bigint NOT NULL, total bigint NOT NULL);";

/// [`Mutation::LosesPrices`](crate::mutant::Mutation::LosesPrices): the database does as if it had changed what the lines come to.
pub const LOSES_PRICES: &str = "
CREATE FUNCTION loses_prices() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.total := OLD.total; RETURN NEW; END';
CREATE TRIGGER loses_prices BEFORE UPDATE ON sheet_totals FOR EACH ROW WHEN (OLD.n_lines = NEW.n_lines)
    EXECUTE FUNCTION loses_prices()";

/// Something that lines are on.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = sheets, check_for_backend(diesel::pg::Pg))]
#[larder(has_many(lines: Line, on_delete = cascade))]
pub struct Sheet {
    /// The primary key.
    pub id: Uuid,
    /// How many lines are on it.
    pub n_lines: i64,
    /// What they come to.
    pub total: i64,
}

/// Something that is counted.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = lines, check_for_backend(diesel::pg::Pg))]
#[larder(index(sheet_id))]
#[larder(maintains(Sheet: n_lines = count, total = sum(quantity * price); by = sheet_id))]
#[larder(maintains(SheetTotals: n_lines = count, total = sum(quantity * price); by = sheet_id, insert, delete))]
pub struct Line {
    /// The primary key.
    pub id: Uuid,
    /// The sheet that it is on.
    pub sheet_id: Uuid,
    /// How often.
    pub quantity: i64,
    /// What one costs.
    pub price: i64,
}

/// What the lines of a sheet come to: a view that is never old.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = sheet_totals, primary_key(sheet_id), check_for_backend(diesel::pg::Pg))]
pub struct SheetTotals {
    /// The sheet.
    pub sheet_id: Uuid,
    /// How many lines are on it.
    pub n_lines: i64,
    /// What they come to.
    pub total: i64,
}

#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = lines)]
struct LineChanges {
    sheet_id: Option<Uuid>,
    quantity: Option<i64>,
    price: Option<i64>,
}

/// A write of the books. Sheets and lines are named by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Puts the last line on a sheet.
    Insert(usize),
    /// Gives a line another price.
    Price(usize, i64),
    /// Gives a line another quantity, in a savepoint that is rolled back.
    Undone(usize, i64),
    /// Moves a line to a sheet.
    Move(usize, usize),
    /// Strikes a line out.
    Delete(usize),
    /// Takes a sheet away with its lines.
    DeleteSheet(usize),
    /// Gives a line another quantity by SQL of the application's own, and tells of it.
    Touching(usize, i64),
}

/// The rows that a schedule knows.
fn sheet(cast: &Cast, n: usize) -> Uuid {
    cast.row(3, n)
}

fn line(cast: &Cast, n: usize) -> Uuid {
    cast.row(4, n)
}

/// The key of a sheet.
#[must_use]
pub fn sheet_key(cast: &Cast, n: usize) -> Key {
    Key::Sheet(sheet(cast, n))
}

/// The key of what a sheet comes to.
#[must_use]
pub fn totals_key(cast: &Cast, n: usize) -> Key {
    Key::Totals(sheet(cast, n))
}

/// The key of the lines of a sheet.
#[must_use]
pub fn lines_key(cast: &Cast, n: usize) -> Key {
    Key::LinesOf(sheet(cast, n))
}

/// Takes the place of whatever sheets the database has.
///
/// # Errors
/// Those of the database.
pub fn enter(cast: &Cast, connection: &mut PgConnection) -> QueryResult<()> {
    let [first, second] = [0, 1].map(|n| sheet(cast, n));
    let rows =
        [(0, first), (1, first), (2, second)].map(|(n, sheet)| format!("('{}', '{sheet}', 1, 10)", line(cast, n)));
    connection.batch_execute(&format!(
        "BEGIN; DELETE FROM sheet_totals; DELETE FROM lines; DELETE FROM sheets;
         INSERT INTO sheets VALUES ('{first}', 2, 20), ('{second}', 1, 10);
         INSERT INTO sheet_totals TABLE sheets; INSERT INTO lines VALUES {}; COMMIT",
        rows.join(", ")
    ))
}

/// Writes.
///
/// # Errors
/// Whatever larder says of it.
pub fn write(tx: &Tx<Pg>, cast: &Cast, entry: Entry) -> Result<()> {
    let repository = Line::repository(tx);
    match entry {
        Entry::Insert(n) => {
            let record = Line { id: line(cast, N_LINES - 1), sheet_id: sheet(cast, n), quantity: 2, price: 3 };
            repository.insert(&record).map(drop)
        }
        Entry::Price(n, price) => {
            let changes = LineChanges { price: Some(price), ..LineChanges::default() };
            repository.update(line(cast, n), &changes).map(drop)
        }
        Entry::Undone(n, quantity) => {
            let undone: Result<()> = tx.savepoint(|tx| {
                let changes = LineChanges { quantity: Some(quantity), ..LineChanges::default() };
                Line::repository(tx).update(line(cast, n), &changes)?;
                Err(larder::Error::other("undone"))
            });
            match undone {
                Err(error @ (larder::Error::Database(_) | larder::Error::ConnectionInUse)) => Err(error),
                _ => Ok(()),
            }
        }
        Entry::Move(n, to) => {
            let changes = LineChanges { sheet_id: Some(sheet(cast, to)), ..LineChanges::default() };
            repository.update(line(cast, n), &changes).map(drop)
        }
        Entry::Delete(n) => repository.delete(line(cast, n)).map(drop),
        Entry::DeleteSheet(n) => Sheet::repository(tx).delete(sheet(cast, n)).map(drop),
        Entry::Touching(n, quantity) => {
            let id = line(cast, n);
            let set = |connection: &mut PgConnection| {
                diesel::update(lines::table.find(id)).set(lines::quantity.eq(quantity)).execute(connection)
            };
            tx.touching::<Line, _>(&[id], set).map(drop)
        }
    }
}

/// All sheets, lines and totals at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    sheets: BTreeMap<Uuid, Sheet>,
    lines: BTreeMap<Uuid, Line>,
    totals: BTreeMap<Uuid, SheetTotals>,
}

impl Books {
    /// What the database holds now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of(connection: &mut PgConnection) -> QueryResult<Self> {
        let sheets: Vec<Sheet> = sheets::table.load(connection)?;
        let lines: Vec<Line> = lines::table.load(connection)?;
        let totals: Vec<SheetTotals> = sheet_totals::table.load(connection)?;
        Ok(Self {
            sheets: sheets.into_iter().map(|sheet| (sheet.id, sheet)).collect(),
            lines: lines.into_iter().map(|line| (line.id, line)).collect(),
            totals: totals.into_iter().map(|totals| (totals.sheet_id, totals)).collect(),
        })
    }

    /// A sheet as it is.
    #[must_use]
    pub fn sheet(&self, id: Uuid) -> Value {
        Value::Sheet(self.sheets.get(&id).cloned())
    }

    /// What the lines of a sheet come to, as it is written down.
    #[must_use]
    pub fn totals(&self, id: Uuid) -> Value {
        Value::Totals(self.totals.get(&id).cloned())
    }

    /// The lines of a sheet.
    #[must_use]
    pub fn lines_of(&self, id: Uuid) -> Value {
        Value::Lines(self.lines.values().filter(|line| line.sheet_id == id).cloned().collect())
    }

    /// Whether what is written down is what the lines come to.
    ///
    /// # Errors
    /// What is wrong.
    pub fn judge(&self) -> std::result::Result<(), String> {
        let mut right: BTreeMap<Uuid, (i64, i64)> = self.sheets.keys().map(|id| (*id, (0, 0))).collect();
        for line in self.lines.values() {
            let (n, total) = right.entry(line.sheet_id).or_default();
            (*n, *total) = (*n + 1, *total + line.quantity * line.price);
        }
        let sheets = self.sheets.iter().map(|(id, sheet)| (*id, (sheet.n_lines, sheet.total))).collect();
        if right != sheets {
            return Err(format!("the lines come to {right:?}, and the sheets say {sheets:?}"));
        }
        right.retain(|_, (n, _)| *n > 0);
        let totals = self.totals.iter().map(|(id, totals)| (*id, (totals.n_lines, totals.total))).collect();
        if right == totals {
            Ok(())
        } else {
            Err(format!("the lines come to {right:?}, and the totals are {totals:?}"))
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} x {}", self.quantity, self.price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_are_right_when_both_sums_are() {
        let cast = Cast::of(7);
        let (id, other) = (sheet(&cast, 0), sheet(&cast, 1));
        let one = Line { id: line(&cast, 0), sheet_id: id, quantity: 2, price: 5 };
        let books = |total, in_totals, with_empty: bool| Books {
            sheets: [(id, 1, total), (other, 0, 0)]
                .map(|(id, n_lines, total)| (id, Sheet { id, n_lines, total }))
                .into(),
            lines: [(one.id, one.clone())].into(),
            totals: [(id, 1, in_totals), (other, 0, 0)]
                .into_iter()
                .filter(|(_, n, _)| *n > 0 || with_empty)
                .map(|(sheet_id, n_lines, total)| (sheet_id, SheetTotals { sheet_id, n_lines, total }))
                .collect(),
        };
        books(10, 10, false).judge().unwrap();
        assert!(books(9, 10, false).judge().is_err());
        assert!(books(10, 11, false).judge().is_err());
        assert!(books(10, 10, true).judge().is_err(), "a sheet without lines has no totals");
    }
}
