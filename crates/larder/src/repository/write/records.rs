//! Rows to insert, and how many go into one statement.

use std::ops::Range;

use crate::{
    backend::{Backend, InsertRows},
    error::Result,
    statement::Fragment,
};

/// Rows to insert: a slice, an array or a vector of what one row is inserted from, by reference.
pub trait Records<DB: Backend, T> {
    #[doc(hidden)]
    fn n_rows(&self) -> usize;

    /// What stands behind `INSERT INTO table` for some of them: in one statement, or one for each.
    #[doc(hidden)]
    fn fragments(&self, rows: Range<usize>) -> Vec<Fragment<'_, DB>>;

    /// The same, one for each.
    #[doc(hidden)]
    fn fragments_of_each(&self, rows: Range<usize>) -> Vec<Fragment<'_, DB>> {
        rows.flat_map(|at| self.fragments(at..at + 1)).collect()
    }
}

macro_rules! records {
    ($(($($generic:tt)*) $type:ty;)*) => {$(
        impl<'a, DB, T, R, $($generic)*> Records<DB, T> for &'a $type
        where
            DB: InsertRows<'a, R, T>,
        {
            fn n_rows(&self) -> usize {
                self[..].len()
            }

            fn fragments(&self, rows: Range<usize>) -> Vec<Fragment<'_, DB>> {
                DB::insert_rows(&self[rows]).into_iter().map(|fragment| fragment as Fragment<'_, DB>).collect()
            }
        }
    )*};
}

records! {
    () [R];
    () Vec<R>;
    (const N: usize) [R; N];
}

/// Hands all records over, in their order, in statements that the back end can bind, and with each which of them it has.
///
/// What a row binds is only known when it is written: an embedded struct is many values, a `None` none. So each
/// statement is written once more than it is sent, and made of half as many rows if it is too long.
pub(super) fn for_each_statement<'r, DB: Backend, T>(
    records: &'r impl Records<DB, T>,
    at_most: usize,
    mut each: impl FnMut(Fragment<'r, DB>, Range<usize>) -> Result<()>,
) -> Result<()> {
    let (mut at, mut n) = (0, at_most.max(1));
    while at < records.n_rows() {
        let rows = at..records.n_rows().min(at + n);
        let fragments = records.fragments(rows.clone());
        if let [fragment] = &fragments[..]
            && rows.len() > 1
            && DB::n_binds(fragment)? > DB::MAX_BINDS
        {
            n = rows.len() / 2;
            continue;
        }
        at = rows.end;
        let n_fragments = fragments.len();
        for (n, fragment) in fragments.into_iter().enumerate() {
            each(fragment, if n_fragments == 1 { rows.clone() } else { rows.start + n..rows.start + n + 1 })?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests {
    use diesel::{Insertable, pg::Pg};

    use super::*;

    diesel::table! {
        boxes (id) { id -> BigInt, a -> BigInt, b -> BigInt, c -> BigInt, d -> BigInt, e -> BigInt, f -> BigInt, g -> BigInt, }
    }

    #[derive(Insertable)]
    #[diesel(table_name = boxes)]
    struct NewBox {
        a: Option<i64>,
        #[diesel(embed)]
        sides: Sides,
    }

    #[derive(Insertable)]
    #[diesel(table_name = boxes)]
    struct Sides {
        b: i64,
        c: i64,
        d: i64,
        e: Option<i64>,
        f: Option<i64>,
        g: Option<i64>,
    }

    fn boxes(n: usize, some: Option<i64>) -> Vec<NewBox> {
        let new = || NewBox { a: some, sides: Sides { b: 1, c: 2, d: 3, e: some, f: some, g: some } };
        std::iter::repeat_with(new).take(n).collect()
    }

    /// How many values each statement binds.
    fn binds(records: &[NewBox], at_most: usize) -> Vec<usize> {
        let mut binds = Vec::new();
        for_each_statement::<Pg, boxes::table>(&records, at_most, |fragment, _| {
            binds.push(Pg::n_binds(&fragment)?);
            Ok(())
        })
        .unwrap();
        binds
    }

    #[test]
    fn a_statement_has_as_many_rows_as_allowed() {
        assert_eq!(binds(&boxes(7, Some(0)), 3), [21, 21, 7]);
        assert_eq!(binds(&[], 3), [0; 0]);
    }

    #[test]
    fn a_statement_that_would_bind_too_much_is_halved() {
        // 20,000 rows of seven values each; 5,000 rows would be 35,000 values, and 10,000 too many.
        assert_eq!(binds(&boxes(20_000, Some(0)), 10_000), [35_000; 4]);
    }

    #[test]
    fn what_is_not_given_is_not_bound() {
        assert_eq!(binds(&boxes(20_000, None), 10_000), [30_000; 2]);
        let mut mixed = boxes(10_000, None);
        mixed.extend(boxes(10_000, Some(0)));
        assert_eq!(binds(&mixed, 10_000), [30_000, 35_000, 35_000]);
    }
}
