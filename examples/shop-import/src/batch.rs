//! Batches of whole customers: what is imported together or not at all.

use std::{fmt, io, io::BufRead, ops::RangeInclusive};

use crate::parse::{LineError, Purchase, ReadError, Reader};

/// How many wrong lines are looked for before a batch is given up.
const MAX_MISTAKES: usize = 20;

/// Purchases that follow each other in the file, all those of each customer among them. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    purchases: Vec<Purchase>,
}

impl Batch {
    /// The purchases of each customer, in the order of the file.
    pub fn by_customer(&self) -> impl Iterator<Item = &[Purchase]> {
        self.purchases.chunk_by(|a, b| a.customer == b.customer)
    }

    /// The first and the last line.
    #[must_use]
    pub fn lines(&self) -> RangeInclusive<u64> {
        let line = |purchase: Option<&Purchase>| purchase.map_or(0, |purchase| purchase.line);
        line(self.purchases.first())..=line(self.purchases.last())
    }

    #[cfg(test)]
    pub(crate) fn of(purchases: Vec<Purchase>) -> Self {
        Self { purchases }
    }
}

/// Why there is no next batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The batch has wrong lines.
    #[error(transparent)]
    Bad(#[from] BadBatch),
    /// The file can't be read any further.
    #[error("the file can't be read")]
    Io(#[from] io::Error),
}

/// A batch with wrong lines in it, of which nothing is to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadBatch {
    /// The lines of the batch, as far as they were read.
    pub lines: RangeInclusive<u64>,
    /// What is wrong with them, in the order of the file; at least one thing.
    pub mistakes: Vec<LineError>,
    /// Whether the search ended at 20 mistakes, with lines of the batch left unread.
    pub has_more: bool,
}

impl fmt::Display for BadBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.lines.start(), self.lines.end());
        write!(f, "lines {first} to {last} and all after them are not imported:")?;
        for mistake in &self.mistakes {
            write!(f, "\n  {mistake}")?;
        }
        if self.has_more {
            write!(f, "\n  and perhaps more: lines after {last} were not looked at")?;
        }
        Ok(())
    }
}

impl std::error::Error for BadBatch {}

/// The batches of a history, in the order of the file; the first error is the last item.
///
/// A batch ends where the next customer begins, once it has `n_lines` lines: it may be longer, never shorter, unless it is
/// the last. A wrong line belongs to the batch that is not complete when it comes, since nobody knows whose it is.
pub struct Batches<R> {
    reader: Reader<R>,
    n_lines: usize,
    ahead: Option<Purchase>,
    is_over: bool,
}

impl<R: BufRead> Batches<R> {
    /// Batches of at least `n_lines` lines; 0 counts as 1, which is a batch a customer.
    pub fn new(reader: Reader<R>, n_lines: usize) -> Self {
        Self { reader, n_lines, ahead: None, is_over: false }
    }

    /// How many bytes of the file have been read.
    pub fn n_bytes(&self) -> u64 {
        self.reader.n_bytes()
    }

    fn read(&mut self) -> Result<Option<Batch>, BatchError> {
        let mut purchases: Vec<Purchase> = self.ahead.take().into_iter().collect();
        let mut mistakes: Vec<LineError> = Vec::new();
        for line in self.reader.by_ref() {
            match line {
                Ok(purchase) => {
                    let is_new = purchases.last().is_some_and(|last| last.customer != purchase.customer);
                    if is_new && purchases.len() >= self.n_lines {
                        self.ahead = Some(purchase);
                        break;
                    }
                    purchases.push(purchase);
                }
                Err(ReadError::Line(more)) => mistakes.extend(more),
                Err(ReadError::Io(error)) => return Err(error.into()),
            }
            if mistakes.len() >= MAX_MISTAKES {
                break;
            }
        }
        let bad = mistakes.iter().map(|mistake| mistake.line);
        let good = purchases.iter().map(|purchase| purchase.line);
        let (first, last) = (good.clone().chain(bad.clone()).min(), good.chain(bad).max());
        match (first, last) {
            (Some(first), Some(last)) if !mistakes.is_empty() => {
                let has_more = mistakes.len() >= MAX_MISTAKES;
                Err(BadBatch { lines: first..=last, mistakes, has_more }.into())
            }
            (Some(_), _) => Ok(Some(Batch { purchases })),
            (None, _) => Ok(None),
        }
    }
}

impl<R: BufRead> Iterator for Batches<R> {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let batch = self.read().transpose();
        self.is_over = !matches!(batch, Some(Ok(_)));
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history with these lines, where `c` is a line of customer `c` and 0 a wrong one. The first is line 2.
    fn batches(customers: &[u32], n_lines: usize) -> Vec<Result<Vec<u32>, BatchError>> {
        let mut file = String::from("customer_id,date,quantity,amount\n");
        for customer in customers {
            file += &format!("{customer},1997-01-01,1,11.77\n");
        }
        let batches = Batches::new(Reader::new(file.as_bytes()).unwrap(), n_lines);
        let customers = |batch: Batch| batch.purchases.iter().map(|purchase| purchase.customer).collect();
        batches.map(|batch| batch.map(customers)).collect()
    }

    fn good(customers: &[u32], n_lines: usize) -> Vec<Vec<u32>> {
        batches(customers, n_lines).into_iter().map(Result::unwrap).collect()
    }

    fn bad(batch: Option<Result<Vec<u32>, BatchError>>) -> BadBatch {
        match batch {
            Some(Err(BatchError::Bad(bad))) => bad,
            other => panic!("no bad batch: {other:?}"),
        }
    }

    #[test]
    fn a_batch_ends_where_a_customer_ends() {
        assert_eq!(good(&[1, 1, 2, 3, 3, 3, 4], 1), [vec![1, 1], vec![2], vec![3, 3, 3], vec![4]]);
        assert_eq!(good(&[1, 1, 2, 3, 3, 3, 4], 2), [vec![1, 1], vec![2, 3, 3, 3], vec![4]]);
        assert_eq!(good(&[1, 1, 2, 3, 3, 3, 4], 3), [vec![1, 1, 2], vec![3, 3, 3], vec![4]]);
        assert_eq!(good(&[1, 1, 2, 3, 3, 3, 4], 100), [[1, 1, 2, 3, 3, 3, 4]]);
        assert_eq!(good(&[1, 2], 0), [[1], [2]]);
    }

    #[test]
    fn a_history_without_purchases_has_no_batch() {
        assert!(good(&[], 10).is_empty());
    }

    #[test]
    fn a_wrong_line_spoils_its_batch_and_ends_the_import() {
        let mut all = batches(&[1, 2, 3, 0, 4, 5, 6], 2).into_iter();
        assert_eq!(all.next().unwrap().unwrap(), [1, 2]);
        let bad = bad(all.next());
        assert_eq!(bad.lines, 4..=6);
        assert_eq!(bad.mistakes.len(), 1);
        assert_eq!(
            bad.to_string(),
            "lines 4 to 6 and all after them are not imported:\n  \
             line 5, column customer_id: expected a whole number from 1 up, found \"0\""
        );
        assert!(all.next().is_none());
    }

    #[test]
    fn a_wrong_line_may_be_the_last_customers() {
        let bad = bad(batches(&[1, 1, 0, 2], 2).into_iter().next());
        assert_eq!(bad.lines, 2..=4);
    }

    #[test]
    fn a_file_of_nothing_else_is_not_read_to_its_end() {
        let bad = bad(batches(&[0; 1_000], 2).into_iter().next());
        assert_eq!((bad.lines.clone(), bad.mistakes.len(), bad.has_more), (2..=21, 20, true));
        assert!(bad.to_string().ends_with("and perhaps more: lines after 21 were not looked at"));
    }
}
