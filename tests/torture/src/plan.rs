//! What happens in a schedule, as far as it is drawn beforehand.

use std::time::Duration;

use larder::{Consistency, store::Operation};
use shop_core::Status;

use crate::{
    aside::Aside,
    behind::Later,
    books::Entry,
    tally::Fault,
    theme::Theme,
    trees::Ask,
    trees::edit::{Edit, Within},
};

/// The actors: each is a thread that does one thing after the other.
pub const N_ACTORS: usize = 4;

/// Something that an actor does. Rows are named by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Reads outside of a transaction, from near or from the store.
    Read(Read, Consistency),
    /// Writes in one transaction.
    Write(Write),
    /// Has to do with changes that are written later.
    Later(Later),
    /// Has to do with values whose home larder does not know.
    Aside(Aside),
    /// Refreshes the materialized view.
    Refresh,
}

impl Deed {
    /// Whether it is one transaction, or marks cells as one does. A flush may be several.
    #[must_use]
    pub fn has_transaction(&self) -> bool {
        match self {
            Self::Write(_)
            | Self::Refresh
            | Self::Later(Later::Find(_))
            | Self::Aside(Aside::Put(_) | Aside::Update(..)) => true,
            Self::Read(..) | Self::Later(_) | Self::Aside(_) => false,
        }
    }
}

/// What a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// A user by its id.
    User(usize),
    /// All users by their ids at once.
    Users,
    /// A user by an address.
    ByEmail(usize),
    /// An order by its id.
    Order(usize),
    /// All orders by their ids at once.
    Orders,
    /// The orders of a user.
    OrdersOf(usize),
    /// The orders of a user that have come so far.
    OrdersIn(usize, Status),
    /// A user together with its orders.
    WithOrders(usize),
    /// The result of a query that is kept.
    Query(Grain),
    /// A sheet by its id.
    Sheet(usize),
    /// What the lines of a sheet come to.
    Totals(usize),
    /// The lines of a sheet.
    LinesOf(usize),
    /// What a user has bought, as of the last refresh.
    Stats(usize),
    /// A tree, or something of it.
    Part(Ask),
}

/// What the result of a query depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// An order.
    Row(usize),
    /// The orders of a user.
    Key(usize),
    /// All orders.
    Table,
}

/// A transaction: what it does, and how its closure ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// One after the other, each behind a place where others may come in between.
    pub statements: Vec<Statement>,
    /// Whether it rolls back of its own will.
    pub gives_up: bool,
}

/// A statement of a writer, or several that come in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Gives an order an amount that no other write gives.
    Amount(usize),
    /// The same, in a savepoint that is rolled back.
    Undone(usize),
    /// The next status.
    Advance(usize, Status),
    /// Moves an order to a user.
    Move(usize, usize),
    /// Gives a user an address.
    Email(usize, usize),
    /// The last order, for a user.
    InsertOrder(usize),
    /// The last user, with an address.
    InsertUser(usize),
    /// Deletes an order.
    DeleteOrder(usize),
    /// Deletes a user with its orders.
    DeleteUser(usize),
    /// Gives an order an amount by SQL of the application's own, and tells of it.
    Touching(usize),
    /// Sends changes to the buffer: those who do in one process go one after the other.
    Send(usize),
    /// Writes what was read from the buffer.
    Flush,
    /// Writes the books.
    Book(Entry),
    /// Writes what has come together of maintained columns.
    Upkeep,
    /// Refreshes the materialized view.
    Refresh,
    /// The first of several that write trees: those who do go one after the other.
    Several,
    /// Writes a tree.
    Tree(Edit, Within),
    /// Finds the roots of what was written of trees, and locks the rows on the way.
    Climb,
}

/// How the next to take a step is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// In how many of a hundred cases whoever was on goes on.
    pub stays: u8,
    /// In how many of a hundred steps an actor is put aside for a good while.
    pub freezes: u8,
    /// In how many of a hundred steps something that is under way arrives.
    pub arrives: u8,
    /// In how many of a hundred steps something happens on the line of a process.
    pub tells: u8,
}

/// A schedule before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is about.
    pub theme: Theme,
    /// What each actor does.
    pub deeds: [Vec<Deed>; N_ACTORS],
    /// In which process each actor is. One that is killed takes all actors of its process along.
    pub processes: [usize; N_ACTORS],
    /// Whether what was loaded is stored by threads of the handles' own.
    pub in_background: bool,
    /// Whether rows are kept near.
    pub is_near: bool,
    /// Whether additions go to the database at once where the buffer can't take them. Then nothing is set.
    pub writes_through: bool,
    /// How many entries a buffer has room for.
    pub room: u64,
    /// How old what is served near may be: a millisecond is a step.
    pub horizon: Duration,
    /// Whether COMMITs can be held up on their way.
    pub proxied: bool,
    /// How the next step is found.
    pub manner: Manner,
    /// What goes wrong, and in how many of a thousand cases.
    pub faults: Vec<(Fault, u16)>,
    /// The operation that the store's faults are confined to.
    pub only: Option<Operation>,
    /// How many faults there may be at most.
    pub n_faults: usize,
    /// Whether only the end is judged.
    pub is_judged_at_the_end: bool,
}

/// Faults that a plan is to have, many of them and on one row, whatever is drawn otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Bias {
    /// What goes wrong, and in how many of a thousand cases.
    pub faults: &'static [(Fault, u16)],
    /// The operation that the store's faults are confined to.
    pub only: Operation,
    /// Whether rows are kept near.
    pub is_near: bool,
    /// Whether only the end is judged: what breaks the rules for the settings of Redis may show until a write is finished, and no longer.
    pub is_judged_at_the_end: bool,
}

impl Plan {
    /// Draws a plan.
    #[must_use]
    pub fn draw(random: &mut fastrand::Rng, themes: &[Theme], bias: Option<Bias>) -> Self {
        let theme = *pick(random, themes);
        let mut faults = bias.map_or_else(|| draw_faults(random), |bias| bias.faults.to_vec());
        faults.retain(|(fault, _)| theme.has(*fault));
        let is_near = bias.map_or_else(|| random.bool(), |bias| bias.is_near);
        let writes_through = theme == Theme::Behind && random.u8(..4) == 0;
        let deeds = theme.deeds(random, is_near, writes_through);
        let has = |fault: Fault| faults.iter().any(|(one, _)| *one == fault);
        Self {
            theme,
            deeds,
            processes: *pick(random, &[[0, 1, 2, 3], [0, 1, 0, 1], [0, 1, 2, 2], [0, 0, 1, 1], [0, 0, 0, 0]]),
            in_background: random.u8(..4) == 0,
            is_near: is_near && !matches!(theme, Theme::View | Theme::Tree),
            writes_through,
            room: *pick(random, &[100_000, 100_000, 3]),
            horizon: Duration::from_millis(*pick(random, &[15, 30, 60])),
            proxied: has(Fault::CommitHeld) || has(Fault::AnswerLost),
            manner: Manner {
                stays: *pick(random, &[0, 30, 70, 90]),
                freezes: *pick(random, &[0, 3, 8]),
                arrives: *pick(random, &[3, 8, 20]),
                tells: *pick(random, &[60, 15, 4]),
            },
            only: bias.map(|bias| bias.only).or_else(|| random.bool().then(|| *pick(random, &OPERATIONS))),
            n_faults: match (faults.is_empty(), bias.is_some()) {
                (true, _) => 0,
                (_, false) => random.usize(1..=5),
                (_, true) => random.usize(4..=12),
            },
            is_judged_at_the_end: bias.is_some_and(|bias| bias.is_judged_at_the_end),
            faults,
        }
    }
}

/// What a read or a write asks of the store.
const OPERATIONS: [Operation; 6] =
    [Operation::Read, Operation::Lease, Operation::Stamp, Operation::Fill, Operation::Begin, Operation::Finish];

/// Faults that have something to do with each other.
const COMPANIES: [&[Fault]; 14] = [
    &[],
    &[Fault::Killed],
    &[Fault::Delayed],
    &[Fault::Delayed, Fault::MarkerExpired],
    &[Fault::Delayed, Fault::Evicted],
    &[Fault::Lost, Fault::NoAnswer, Fault::Delayed],
    &[Fault::NoAnswer, Fault::MarkerExpired, Fault::Evicted],
    &[Fault::Killed, Fault::Delayed, Fault::Evicted],
    &[Fault::CommitHeld, Fault::AnswerLost],
    &[Fault::CommitHeld, Fault::Killed, Fault::Delayed],
    &[Fault::Terminated, Fault::Lost],
    &[Fault::LineLost, Fault::TimePasses],
    &[Fault::LineLost, Fault::Evicted, Fault::Delayed],
    &[Fault::Snapshot, Fault::RestartEmpty, Fault::RestartAsIs, Fault::RestartOlder],
];

/// The kinds of faults of a schedule: a few of them, often enough to meet each other.
fn draw_faults(random: &mut fastrand::Rng) -> Vec<(Fault, u16)> {
    let mut kinds: Vec<Fault> = if random.u8(..4) == 0 {
        (0..random.usize(1..=4)).map(|_| *pick(random, &Fault::ALL)).collect()
    } else {
        pick(random, &COMPANIES).to_vec()
    };
    kinds.sort_unstable();
    kinds.dedup();
    // Connecting again costs as much as half a schedule, and starting a server as much as five.
    let (connects, starts) = (random.u8(..2) == 0, random.u8(..4) == 0);
    kinds.retain(|fault| match fault {
        Fault::Terminated | Fault::CommitHeld | Fault::AnswerLost => connects,
        Fault::Snapshot | Fault::RestartEmpty | Fault::RestartAsIs | Fault::RestartOlder => starts,
        _ => true,
    });
    let share = |fault: Fault| if fault.is_of_nature() { [15, 60, 200] } else { [60, 200, 500] };
    kinds.into_iter().map(|fault| (fault, share(fault)[random.usize(..3)])).collect()
}

pub(crate) fn pick<'a, T>(random: &mut fastrand::Rng, of: &'a [T]) -> &'a T {
    &of[random.usize(..of.len())]
}
