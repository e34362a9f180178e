//! What is searched of cached queries.

use crate::{
    rules::{Rule, Rules},
    search::{Outcome, search},
    setup::{CALM, Faults, Kind, LARDER, Outsider, Policy, Setup},
};

/// A set of cells: the first is `A`, the second is `B`.
pub type Cells = u8;

/// The first cell.
pub const A: Cells = 1;
/// The second cell.
pub const B: Cells = 2;
/// Both.
pub const BOTH: Cells = 3;

/// One configuration.
#[derive(Debug, Clone, Copy)]
pub struct Queries {
    /// Which of the protocol's rules are followed.
    pub rules: Rules,
    /// What happens when a cell can't be marked.
    pub policy: Policy,
    /// What each cell is: a row, or anything that its writers empty.
    pub kinds: [Kind; 2],
    /// Whether the second cell is that of a table, which every write of the table marks.
    pub has_table: bool,
    /// Whether the cells are tags: nobody marks them, and whoever has changed something settles them and then returns.
    pub are_tags: bool,
    /// What each writer changes: it writes once, and is in the first process or the second by turns.
    pub writers: &'static [Cells],
    /// Whether the last of them does not use larder, and who hears of it.
    pub outsider: Outsider,
    /// What the query reads.
    pub reads: Cells,
    /// For each process that loads the query: what it says that the query depends on.
    pub declares: &'static [Cells],
    /// How often each may load it.
    pub n_loads: u8,
    /// Readers of rows, each of one cell, who load its value once.
    pub lines: &'static [Cells],
    /// How often the entry and its stamps are read one by one; besides, they are at each moment read at once.
    pub n_reads: u8,
    /// Whether the query is a statement for each cell.
    pub is_two_statements: bool,
    /// Whether stubs are leased before the query and filled after it; else they are put before it, there being nothing to fill in.
    pub leases_stubs: bool,
    /// Whether, where stubs are leased, the entry is sent together with the stubs, and not when it is known that they are there.
    pub puts_at_once: bool,
    /// Whether a stub's lease takes the place of a row's value or lease.
    pub leases_over_rows: bool,
    /// What may go wrong.
    pub faults: Faults,
}

/// As larder has it: two lists, a row moves from the first to the second, and another writer changes the first.
pub const LISTS: Queries = Queries {
    rules: Rules::ALL,
    policy: Policy::Strict,
    kinds: [Kind::List, Kind::List],
    has_table: false,
    are_tags: false,
    writers: &[BOTH, A],
    outsider: Outsider::Nobody,
    reads: BOTH,
    declares: &[BOTH],
    n_loads: 1,
    lines: &[],
    n_reads: 0,
    is_two_statements: false,
    leases_stubs: false,
    puts_at_once: false,
    leases_over_rows: false,
    faults: CALM,
};

/// The most writers, loaders, readers of rows, and cells.
pub(super) const MAX_WRITERS: usize = 3;
pub(super) const MAX_LOADERS: usize = 2;
pub(super) const MAX_LINES: usize = 2;
pub(super) const N_CELLS: usize = 2;

impl Queries {
    /// Searches every interleaving, or as many as it takes to come to `at_most` states.
    #[must_use]
    pub fn search(&self, at_most: usize) -> Outcome {
        search(self, at_most)
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.rules.has(rule)
    }

    /// The same without one rule.
    #[must_use]
    pub const fn without(mut self, rule: Rule) -> Self {
        self.rules = self.rules.without(rule);
        self
    }

    pub(super) fn writers(&self) -> std::ops::Range<usize> {
        0..self.writers.len()
    }

    pub(super) fn is_outsider(&self, writer: usize) -> bool {
        self.outsider != Outsider::Nobody && writer + 1 == self.writers.len()
    }

    /// The process of a writer or a loader.
    pub(super) fn process(member: usize) -> usize {
        member % 2
    }

    /// The nonce of a writer's attempt.
    pub(super) fn nonce(&self, writer: usize, attempt: u8) -> u8 {
        let attempt = if self.has(Rule::FreshNonce) { attempt } else { 0 };
        2 * u8::try_from(writer).expect("writers are few") + attempt
    }

    /// What a writer changes of the cells that it knows of, and so marks.
    pub(super) fn marks(&self, writer: usize) -> Cells {
        let changes = self.writers[writer];
        let mut unknown = 0;
        if self.has_table {
            unknown |= if self.has(Rule::MarkTable) { 0 } else { B };
        } else if changes == BOTH {
            unknown |= if self.has(Rule::MarkOldKey) { 0 } else { A };
            unknown |= if self.has(Rule::MarkNewKey) { 0 } else { B };
        }
        changes & !unknown
    }

    /// What is settled for a writer.
    pub(super) fn settles(&self, writer: usize) -> Cells {
        let unsettled = if self.has_table && !self.has(Rule::SettleTable) { B } else { 0 };
        self.writers[writer] & !unsettled
    }

    /// The machine of a cell under the same rules.
    pub(super) fn cell(&self) -> Setup {
        Setup { rules: self.rules, ..LARDER }
    }
}

/// The cells of a set, by number.
pub(super) fn each(cells: Cells) -> impl Iterator<Item = usize> {
    (0..N_CELLS).filter(move |cell| has(cells, *cell))
}

pub(super) fn has(cells: Cells, cell: usize) -> bool {
    cells >> cell & 1 == 1
}
