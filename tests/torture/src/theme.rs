//! What a schedule is mostly about, and what its actors do for that.

use larder::Consistency;
use shop_core::Status;

use crate::{
    aside::{self, Aside, Computing, Written},
    behind::{Change, Later},
    books::{Entry, N_LINES, N_SHEETS},
    plan::{Deed, Grain, N_ACTORS, Read, Statement, Write, pick},
    rows::{N_EMAILS, N_ORDERS, N_USERS},
    tally::Fault,
    trees::{self, Ask},
};

/// What a schedule is mostly about: the more its actors meet, the more can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// One order.
    Row,
    /// The orders of the first user.
    List,
    /// Users and their addresses.
    Unique,
    /// Everything that is written at once.
    All,
    /// Amounts that are written later.
    Behind,
    /// Values whose home larder does not know.
    Aside,
    /// Columns that are maintained with each write of what they count.
    Upkeep,
    /// A materialized view, and its refreshes.
    View,
    /// Trees that are stored whole.
    Tree,
}

impl Theme {
    /// Rows that are written at once.
    pub const ROWS: [Self; 4] = [Self::Row, Self::List, Self::Unique, Self::All];

    /// What a run is about, each as often as it is named.
    pub const PLAYED: [Self; 20] = [
        Self::Row,
        Self::Row,
        Self::List,
        Self::List,
        Self::Unique,
        Self::Unique,
        Self::All,
        Self::All,
        Self::Behind,
        Self::Behind,
        Self::Behind,
        Self::Aside,
        Self::Aside,
        Self::Upkeep,
        Self::Upkeep,
        Self::Upkeep,
        Self::View,
        Self::Tree,
        Self::Tree,
        Self::Tree,
    ];

    /// Whether a fault is one that the theme promises to outlive.
    #[must_use]
    pub fn has(self, fault: Fault) -> bool {
        match self {
            // A buffer is on a server that keeps what it has acknowledged.
            Self::Behind => !matches!(fault, Fault::Snapshot | Fault::RestartEmpty | Fault::RestartOlder),
            // Homes that let two write at once may be seen as they were: that is told where `update` is.
            Self::Aside => !matches!(fault, Fault::Snapshot | Fault::RestartOlder),
            _ => true,
        }
    }

    /// Draws what each actor does.
    pub fn deeds(self, random: &mut fastrand::Rng, is_near: bool, only_adds: bool) -> [Vec<Deed>; N_ACTORS] {
        let reads: Vec<Read> = (0..random.usize(1..=4)).map(|_| self.read(random)).collect();
        let read = |random: &mut fastrand::Rng| {
            let from = if random.u8(..5) == 0 { Consistency::Shared } else { Consistency::Near };
            let read = *pick(random, &reads);
            // Results of queries are never near.
            Deed::Read(read, if matches!(read, Read::Query(_)) { Consistency::Shared } else { from })
        };
        match self {
            Self::Behind => return self.deeds_behind(random, only_adds, read),
            Self::Aside => return deeds_aside(random),
            Self::View => return self.deeds_view(random, read),
            _ => {}
        }
        let roles: [bool; N_ACTORS] = *pick(
            random,
            &[
                [true, true, false, false],
                [true, true, false, false],
                [true, true, true, false],
                [true, false, false, false],
            ],
        );
        roles.map(|writes| {
            let n = if writes { random.usize(1..=2) } else { random.usize(2..=if is_near { 8 } else { 4 }) };
            let deed = |random: &mut fastrand::Rng| {
                if writes { Deed::Write(self.write(random)) } else { read(random) }
            };
            (0..n).map(|_| deed(random)).collect()
        })
    }

    /// Two who change amounts, one who flushes, and one who does whatever comes.
    fn deeds_behind(
        self,
        random: &mut fastrand::Rng,
        only_adds: bool,
        read: impl Fn(&mut fastrand::Rng) -> Deed,
    ) -> [Vec<Deed>; N_ACTORS] {
        let change = |random: &mut fastrand::Rng| {
            let changes = (0..random.usize(1..=2)).map(|_| {
                let order = self.order(random);
                if random.u8(..4) == 0 && !only_adds { Change::Set(order) } else { Change::Add(order) }
            });
            Deed::Later(Later::Change(changes.collect()))
        };
        let flush = |_: &mut fastrand::Rng| Deed::Later(Later::Flush);
        let find = |random: &mut fastrand::Rng| Deed::Later(Later::Find(self.order(random)));
        let any = |random: &mut fastrand::Rng| match random.u8(..8) {
            0 => change(random),
            1 => flush(random),
            2 => find(random),
            3 => Deed::Write(self.write(random)),
            _ => read(random),
        };
        let mut some = |n: usize, deed: &dyn Fn(&mut fastrand::Rng) -> Deed| -> Vec<Deed> {
            let n = random.usize(1..=n);
            (0..n).map(|_| deed(random)).collect()
        };
        [some(3, &change), some(2, &change), some(3, &flush), some(6, &any)]
    }

    /// One who refreshes, perhaps another one, and others who read the view and write what it shows.
    fn deeds_view(
        self,
        random: &mut fastrand::Rng,
        read: impl Fn(&mut fastrand::Rng) -> Deed,
    ) -> [Vec<Deed>; N_ACTORS] {
        let any = |random: &mut fastrand::Rng| match random.u8(..3) {
            0 => Deed::Refresh,
            1 => Deed::Write(self.write(random)),
            _ => read(random),
        };
        [
            vec![Deed::Refresh],
            (0..2).map(|_| Deed::Write(self.write(random))).collect(),
            (0..4).map(|_| read(random)).collect(),
            (0..3).map(|_| any(random)).collect(),
        ]
    }

    fn order(self, random: &mut fastrand::Rng) -> usize {
        match self {
            Self::Row => 0,
            // One that is there from the first to the last.
            Self::Behind => [0, 0, 1][random.usize(..3)],
            // Now and then one that is somebody else's, or not there.
            Self::List if random.u8(..6) > 0 => random.usize(..2),
            _ => random.usize(..N_ORDERS),
        }
    }

    fn user(self, random: &mut fastrand::Rng) -> usize {
        match self {
            Self::Row | Self::List | Self::Behind | Self::View if random.u8(..6) > 0 => 0,
            _ => random.usize(..N_USERS),
        }
    }

    fn read(self, random: &mut fastrand::Rng) -> Read {
        if self == Self::Tree {
            return Read::Part(Ask::draw(random));
        }
        let kind = match self {
            Self::Row => [0, 0, 0, 1, 2, 8, 10][random.usize(..7)],
            Self::List => [2, 2, 2, 3, 4, 1, 9, 9, 10][random.usize(..9)],
            Self::Unique => [5, 6, 6, 6, 7, 4][random.usize(..6)],
            Self::Behind => [0, 0, 0, 1, 2, 3, 8, 9][random.usize(..8)],
            Self::Upkeep => [11, 11, 12, 12, 13][random.usize(..5)],
            Self::View => [14, 14, 14, 14, 0][random.usize(..5)],
            Self::All | Self::Aside | Self::Tree => random.u8(..11),
        };
        match kind {
            11 => Read::Sheet(random.usize(..N_SHEETS)),
            12 => Read::Totals(random.usize(..N_SHEETS)),
            13 => Read::LinesOf(random.usize(..N_SHEETS)),
            14 => Read::Stats(self.user(random)),
            8 => Read::Query(Grain::Row(self.order(random))),
            9 => Read::Query(Grain::Key(self.user(random))),
            10 => Read::Query(Grain::Table),
            0 => Read::Order(self.order(random)),
            1 => Read::Orders,
            2 => Read::OrdersOf(self.user(random)),
            3 => Read::OrdersIn(self.user(random), *pick(random, &Status::ALL)),
            4 => Read::WithOrders(self.user(random)),
            5 => Read::User(self.user(random)),
            6 => Read::ByEmail(random.usize(..N_EMAILS)),
            _ => Read::Users,
        }
    }

    fn write(self, random: &mut fastrand::Rng) -> Write {
        if self == Self::Upkeep {
            return write_books(random);
        }
        if self == Self::Tree {
            return trees::edit::draw(random);
        }
        let mut gives_up = random.u8(..12) == 0;
        let one = self.order(random);
        // Several statements take their rows in one order, so that no two transactions wait for each other.
        let other = (one + 1 + random.usize(..N_ORDERS - 1)) % N_ORDERS;
        let (low, high) = (one.min(other), one.max(other));
        let kind = match self {
            Self::Row => [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 10, 11][random.usize(..12)],
            Self::List => [0, 0, 0, 1, 3, 5, 6, 6, 7, 7, 10, 11][random.usize(..12)],
            Self::Unique => [8, 8, 8, 8, 9, 9, 12, 0][random.usize(..8)],
            // What leaves the amounts alone.
            Self::Behind => [5, 6][random.usize(..2)],
            Self::View => [0, 0, 7, 6, 11][random.usize(..5)],
            Self::All | Self::Aside | Self::Upkeep | Self::Tree => random.u8(..14),
        };
        let statements = match kind {
            0 => vec![Statement::Amount(one)],
            1 => vec![Statement::Amount(low), Statement::Amount(high)],
            2 => vec![Statement::Amount(one), Statement::Amount(one)],
            3 => vec![Statement::Undone(low), Statement::Amount(high)],
            4 => vec![Statement::Amount(one), Statement::Undone(one)],
            5 => vec![Statement::Advance(one, *pick(random, &Status::ALL))],
            6 => vec![Statement::Move(one, random.usize(..2))],
            7 => vec![Statement::InsertOrder(self.user(random))],
            8 => vec![Statement::Email(random.usize(..2), random.usize(..N_EMAILS))],
            9 => vec![Statement::InsertUser(random.usize(..N_EMAILS))],
            10 => vec![Statement::Touching(one)],
            11 => vec![Statement::DeleteOrder(one)],
            12 => vec![Statement::DeleteUser(self.user(random))],
            _ => {
                gives_up = true;
                vec![Statement::Amount(low), Statement::Advance(high, Status::Shipped)]
            }
        };
        Write { statements, gives_up }
    }
}

/// One or two entries, and what they do to the sums.
fn write_books(random: &mut fastrand::Rng) -> Write {
    let gives_up = random.u8(..8) == 0;
    let first = random.usize(..N_LINES);
    let second = random.usize(first..N_LINES);
    let entry = |random: &mut fastrand::Rng, line: usize| {
        let n = random.i64(1..50);
        match random.u8(..9) {
            // The last line comes and goes.
            _ if line == N_LINES - 1 && random.bool() => Entry::Insert(random.usize(..N_SHEETS)),
            0..3 => Entry::Price(line, n),
            3 | 4 => Entry::Move(line, random.usize(..N_SHEETS)),
            5 => Entry::Undone(line, n),
            6 => Entry::Touching(line, n),
            _ => Entry::Delete(line),
        }
    };
    let mut entries = match random.u8(..12) {
        0 => vec![Entry::DeleteSheet(random.usize(..N_SHEETS))],
        1..5 => vec![entry(random, first), entry(random, second)],
        _ => vec![entry(random, first)],
    };
    let mut statements: Vec<Statement> = entries.drain(..).map(Statement::Book).collect();
    // Sums are written with the last of it.
    statements.push(Statement::Upkeep);
    Write { statements, gives_up }
}

/// Two who write and two who read, mostly the same value.
fn deeds_aside(random: &mut fastrand::Rng) -> [Vec<Deed>; N_ACTORS] {
    let n_keys = random.usize(1..=aside::N_KEYS);
    [true, true, false, false].map(|writes| {
        let mut deed = || {
            let key = random.usize(..n_keys);
            Deed::Aside(match random.u8(..8) {
                0..3 if writes => Aside::Update(
                    key,
                    *pick(random, &[Written::Well, Written::Well, Written::Unanswered, Written::Late]),
                ),
                3..5 if writes => Aside::Put(key),
                5..7 if writes => Aside::Forget(key),
                0 | 1 => Aside::Get(key),
                2 => Aside::Load(key, Computing::Fails),
                _ => Aside::Load(key, Computing::Succeeds),
            })
        };
        (0..4).map(|_| deed()).collect()
    })
}
