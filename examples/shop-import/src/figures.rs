//! The figures that tell whether an import has lost something, alike for the file and for the database.

use std::collections::BTreeMap;

use chrono::Datelike as _;

use crate::batch::Batch;

/// What there is of everything. Where both sides agree, nothing was lost and nothing doubled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Customers.
    pub n_users: i64,
    /// Purchases.
    pub n_orders: i64,
    /// Lines of orders: one an order.
    pub n_items: i64,
    /// Pieces in all orders.
    pub n_cds: i64,
    /// The total of all orders.
    pub cents: i64,
    /// Orders by the year, in UTC, in which they were placed.
    pub n_orders_by_year: BTreeMap<i32, i64>,
}

impl Figures {
    /// The figures of the data set as it was published.
    #[must_use]
    pub fn published() -> Self {
        Self {
            n_users: 23_570,
            n_orders: 69_659,
            n_items: 69_659,
            n_cds: 167_881,
            cents: 250_031_563,
            n_orders_by_year: BTreeMap::from([(1997, 56_902), (1998, 12_757)]),
        }
    }

    /// Counts a batch in. Batches hold whole customers, so no customer is counted twice.
    pub fn add(&mut self, batch: &Batch) {
        for purchases in batch.by_customer() {
            self.n_users += 1;
            for purchase in purchases {
                self.n_orders += 1;
                self.n_items += 1;
                self.n_cds += i64::from(purchase.quantity);
                self.cents += purchase.cents;
                *self.n_orders_by_year.entry(purchase.date.year()).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error, fs::File, io::BufReader, path::Path};

    use super::*;
    use crate::{batch::Batches, parse::Reader};

    #[test]
    fn the_file_has_the_published_figures_whatever_the_batches() -> Result<(), Box<dyn Error>> {
        for n_lines in [1, 1_000, 100_000] {
            let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cdnow.csv"))?;
            let mut figures = Figures::default();
            for batch in Batches::new(Reader::new(BufReader::new(file))?, n_lines) {
                figures.add(&batch?);
            }
            assert_eq!(figures, Figures::published());
        }
        Ok(())
    }
}
