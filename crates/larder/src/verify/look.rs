use std::{borrow::Cow, time::Duration};

use super::{Difference, Report, compare::difference, run::Run};
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn},
    error::Result,
    load::{self, Refined, select_by},
    payload::{self, Contents},
    session::Access,
    shape::Whole,
    store::{Cell, CellKey, Inspected, Nonce},
};

/// A cell to look at.
pub(super) struct Wanted<P: Pattern> {
    pub(super) cell: CellKey,
    /// What the cell is looked up by. Of one that was found in the store, its rows have to tell.
    key: Option<P::Key>,
}

impl<P: Pattern> Wanted<P> {
    /// A cell of which only the key's bytes are known.
    pub(super) fn found(key: CellKey) -> Self {
        Self { cell: CellKey::new(key.as_bytes(), P::LAYOUT), key: None }
    }

    /// The cell of a row.
    pub(super) fn drawn(key: P::Key) -> Self {
        Self { cell: payload::cell_key::<P>(&key), key: Some(key) }
    }
}

/// A cell that differs from the database.
pub(super) struct Wrong<P: Pattern> {
    pub(super) wanted: Wanted<P>,
    pub(super) stamp: Nonce,
    pub(super) difference: Difference,
    pub(super) expires_in: Option<Duration>,
    pub(super) is_absent: bool,
}

/// What became of some cells.
#[derive(Default)]
pub(super) struct Tally {
    n_cells: usize,
    n_values: usize,
    n_vacant: usize,
    n_in_doubt: usize,
    n_changed: usize,
    n_keyless: usize,
    pub(super) n_skipped: usize,
}

impl Tally {
    pub(super) fn add_to(&self, report: &mut Report) {
        report.n_cells += self.n_cells;
        report.n_values += self.n_values;
        report.n_vacant += self.n_vacant;
        report.n_in_doubt += self.n_in_doubt;
        report.n_changed += self.n_changed;
        report.n_keyless += self.n_keyless;
        report.n_skipped += self.n_skipped;
    }
}

pub(super) struct Looked<P: Pattern> {
    pub(super) tally: Tally,
    /// The cells that held a value of which the key is known.
    pub(super) read: Vec<CellKey>,
    pub(super) wrong: Vec<Wrong<P>>,
}

/// A value whose rows are to be compared with the database's.
struct Candidate<P: Pattern> {
    wanted: Wanted<P>,
    key: P::Key,
    stamp: Nonce,
    expires_in: Option<Duration>,
    contents: Contents<P::Entity>,
    is_absent: bool,
}

impl<DB: Backend> Run<'_, DB> {
    /// Looks at cells, reads their rows from the database, and looks again at those that differ.
    pub(super) fn look<P: PatternOn<DB>>(&self, wanted: Vec<Wanted<P>>) -> Result<Looked<P>> {
        let mut tally = Tally { n_cells: wanted.len(), ..Tally::default() };
        let cells: Vec<_> = wanted.iter().map(|wanted| wanted.cell.clone()).collect();
        let Some(inspected) = self.inspect(&cells) else {
            tally.n_skipped += wanted.len();
            return Ok(Looked { tally, read: Vec::new(), wrong: Vec::new() });
        };
        let (mut candidates, mut wrong) = (Vec::new(), Vec::new());
        for (wanted, inspected) in wanted.into_iter().zip(inspected) {
            match judge(wanted, inspected, &mut tally) {
                Some(Judged::Candidate(candidate)) => candidates.push(candidate),
                Some(Judged::Wrong(one)) => wrong.push(one),
                None => {}
            }
        }
        let candidate_cells = candidates.iter().map(|candidate| &candidate.wanted.cell);
        let read = candidate_cells.chain(wrong.iter().map(|wrong| &wrong.wanted.cell)).cloned().collect();
        wrong.extend(self.compare_rows(candidates, &mut tally)?);
        tally.n_values += wrong.len();
        Ok(Looked { tally, read, wrong })
    }

    fn inspect(&self, cells: &[CellKey]) -> Option<Vec<Inspected>> {
        self.larder.layers()?.inspect(cells)
    }

    /// The second and the third step: those that differ, and still hold the same value after the database has answered.
    fn compare_rows<P: PatternOn<DB>>(
        &self,
        candidates: Vec<Candidate<P>>,
        tally: &mut Tally,
    ) -> Result<Vec<Wrong<P>>> {
        let keys: Vec<P::Key> = candidates.iter().map(|candidate| candidate.key.clone()).collect();
        let n_longest = candidates.iter().map(|candidate| candidate.contents.rows.len()).max().unwrap_or_default();
        let limit = if P::UNIQUE { load::ALL } else { n_longest + 1 };
        let refined = || Refined { filter: None, order: Cow::Borrowed(P::ORDER), limit };
        let groups = select_by::<DB, P, Whole<P::Entity>>(Access::handle(self.larder), &keys, refined)?;
        let mut suspects = Vec::new();
        for (candidate, group) in candidates.into_iter().zip(groups) {
            let mut rows: Vec<P::Entity> = group.into_iter().filter_map(load::Loaded::whole).collect();
            if P::UNIQUE {
                // As a fill does it, where a deferrable constraint lets two rows have one key for a while.
                rows.truncate(1);
            }
            let Candidate { wanted, key, stamp, expires_in, contents, is_absent } = candidate;
            match difference(&contents.rows, contents.is_whole, &rows) {
                None => tally.n_values += 1,
                Some(difference) => {
                    let wanted = Wanted { key: Some(key), ..wanted };
                    suspects.push(Wrong { wanted, stamp, difference, expires_in, is_absent });
                }
            }
        }
        self.confirm(suspects, tally)
    }

    /// Keeps what was certainly served while the database said something else.
    fn confirm<P: PatternOn<DB>>(&self, suspects: Vec<Wrong<P>>, tally: &mut Tally) -> Result<Vec<Wrong<P>>> {
        if suspects.is_empty() {
            return Ok(suspects);
        }
        let cells: Vec<_> = suspects.iter().map(|suspect| suspect.wanted.cell.clone()).collect();
        let Some(inspected) = self.inspect(&cells) else {
            tally.n_skipped += suspects.len();
            return Ok(Vec::new());
        };
        let n_suspects = suspects.len();
        let is_same = |(suspect, now): &(Wrong<P>, Inspected)| now.stamp == Some(suspect.stamp);
        let wrong: Vec<_> = suspects.into_iter().zip(inspected).filter(is_same).map(|(suspect, _)| suspect).collect();
        tally.n_changed += n_suspects - wrong.len();
        Ok(wrong)
    }
}

enum Judged<P: Pattern> {
    Candidate(Candidate<P>),
    /// Whatever the database has.
    Wrong(Wrong<P>),
}

/// The first step: what a cell holds.
fn judge<P: Pattern>(wanted: Wanted<P>, inspected: Inspected, tally: &mut Tally) -> Option<Judged<P>> {
    let payload = match inspected.cell {
        Cell::Value(payload) => payload,
        Cell::InDoubt => {
            tally.n_in_doubt += 1;
            return None;
        }
        Cell::Vacant(_) | Cell::Leased(_) => {
            tally.n_vacant += 1;
            return None;
        }
    };
    let expires_in = inspected.expires_in;
    let Some(stamp) = inspected.stamp else {
        // A store that tells no stamps proves nothing.
        tally.n_skipped += 1;
        return None;
    };
    let is_absent = payload::is_absent(&payload);
    let wrong = |wanted, difference| Some(Judged::Wrong(Wrong { wanted, stamp, difference, expires_in, is_absent }));
    let Ok(contents) = payload::contents::<P>(&payload) else {
        return wrong(wanted, Difference::Unreadable);
    };
    let keys = || contents.rows.iter().map(P::key_of);
    let is_ours = |key: Option<P::Key>| key.is_some_and(|key| payload::cell_key::<P>(&key) == wanted.cell);
    if !keys().all(is_ours) {
        return wrong(wanted, Difference::Misplaced);
    }
    let Some(key) = wanted.key.clone().or_else(|| keys().next().flatten()) else {
        tally.n_keyless += 1;
        return None;
    };
    Some(Judged::Candidate(Candidate { wanted, key, stamp, expires_in, contents, is_absent }))
}
