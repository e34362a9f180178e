//! What is written of trees.

use diesel::{ExpressionMethods as _, PgConnection, RunQueryDsl as _, pg::Pg, query_dsl::methods::FindDsl as _};
use larder::{Error, Result, Tx};

use super::{
    Case, Maker, N_CASES, N_RACKS, N_ROOMS, Rack, Room, case, cases, maker, makers, rack, racks, room, rooms, some_room,
};
use crate::{
    plan::{Statement, Write, pick},
    rows::Cast,
};

/// A write of trees. Rows are named by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Changes a case, and takes out what is stuffed into it.
    Case(usize),
    /// Makes the tree of a case too large for a cell.
    Stuff(usize),
    /// Puts a case on a rack.
    MoveCase(usize, usize),
    /// The same by SQL of the application's own, which tells of it.
    Touching(usize, usize),
    /// Gives a case to a maker.
    Remake(usize, usize),
    /// The last case, on a rack.
    InsertCase(usize),
    /// Takes a case away.
    DeleteCase(usize),
    /// Changes all cases.
    AllCases,
    /// Changes a rack.
    Rack(usize),
    /// Puts a rack into a room, with all that is on it.
    MoveRack(usize, usize),
    /// The last rack, in a room.
    InsertRack(usize),
    /// Takes a rack away with its cases.
    DeleteRack(usize),
    /// Takes a rack away with its cases, and inserts it anew in a room; the first rack with the first case, if that has gone.
    Renew(usize, usize),
    /// Changes all racks.
    AllRacks,
    /// Changes a room.
    Room(usize),
    /// The last room.
    InsertRoom,
    /// Takes a room away with all that is in it.
    DeleteRoom(usize),
    /// Changes a maker.
    Maker(usize),
}

/// In what a write is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// The transaction.
    Transaction,
    /// A savepoint that is released.
    Savepoint,
    /// A savepoint that is rolled back.
    Undone,
}

impl Edit {
    /// Whether a row has the write's number after it.
    #[must_use]
    pub fn leaves_number(self) -> bool {
        !matches!(
            self,
            Self::DeleteCase(_) | Self::DeleteRack(_) | Self::DeleteRoom(_) | Self::AllCases | Self::AllRacks
        )
    }
}

/// Draws what one transaction writes.
pub fn draw(random: &mut fastrand::Rng) -> Write {
    let gives_up = random.u8(..12) == 0;
    let within = |random: &mut fastrand::Rng| {
        *pick(random, &[Within::Transaction, Within::Transaction, Within::Savepoint, Within::Undone])
    };
    let mut edits = match random.u8(..10) {
        0..6 => vec![one(random)],
        // What is below comes first, each in the order of its numbers, so that no two wait for each other.
        6 | 7 => {
            let low = some_case(random);
            vec![of_case(random, low), of_case(random, low.max(1))]
        }
        8 => {
            let (at, on) = (some_case(random), random.usize(..2));
            vec![of_case(random, at), of_rack(random, on)]
        }
        _ => vec![of_rack(random, 0), of_rack(random, 1)],
    };
    let several = (edits.len() > 1).then_some(Statement::Several);
    let edits = edits.drain(..).map(|edit| Statement::Tree(edit, within(random))).collect::<Vec<_>>();
    Write { statements: several.into_iter().chain(edits).chain([Statement::Climb]).collect(), gives_up }
}

fn one(random: &mut fastrand::Rng) -> Edit {
    match random.u8(..24) {
        0..9 => {
            let at = some_case(random);
            of_case(random, at)
        }
        9..14 => {
            let on = some_rack(random);
            of_rack(random, on)
        }
        14 => Edit::InsertCase(random.usize(..2)),
        15 => Edit::InsertRack(some_room(random)),
        16 => Edit::DeleteRack(some_rack(random)),
        17 => Edit::Renew(random.usize(..2), some_room(random)),
        18 => Edit::Room(some_room(random)),
        19 => *pick(random, &[Edit::InsertRoom, Edit::DeleteRoom(0), Edit::DeleteRoom(1)]),
        20 => Edit::AllCases,
        21 => Edit::AllRacks,
        _ => Edit::Maker(0),
    }
}

fn some_case(random: &mut fastrand::Rng) -> usize {
    if random.u8(..4) > 0 { 0 } else { random.usize(..N_CASES) }
}

fn some_rack(random: &mut fastrand::Rng) -> usize {
    if random.u8(..4) > 0 { 0 } else { random.usize(..N_RACKS) }
}

fn of_case(random: &mut fastrand::Rng, at: usize) -> Edit {
    match random.u8(..9) {
        0..3 => Edit::Case(at),
        3..6 => Edit::MoveCase(at, random.usize(..N_RACKS - 1)),
        6 => *pick(random, &[Edit::Touching(at, 0), Edit::Touching(at, 2), Edit::Remake(at, 0), Edit::Remake(at, 1)]),
        7 => Edit::Stuff(at),
        _ => Edit::DeleteCase(at),
    }
}

fn of_rack(random: &mut fastrand::Rng, at: usize) -> Edit {
    if random.u8(..4) == 0 { Edit::Rack(at) } else { Edit::MoveRack(at, random.usize(..N_ROOMS - 1)) }
}

/// Writes; every row that is changed has that number then.
///
/// # Errors
/// Whatever larder says of it.
pub fn write(tx: &Tx<Pg>, cast: &Cast, (edit, within): (Edit, Within), n: i64) -> Result<()> {
    match within {
        Within::Transaction => apply(tx, cast, edit, n),
        Within::Savepoint => tx.savepoint(|tx| apply(tx, cast, edit, n)),
        Within::Undone => {
            let undone: Result<()> = tx.savepoint(|tx| {
                apply(tx, cast, edit, n)?;
                Err(Error::other("undone"))
            });
            match undone {
                Err(error @ (Error::Database(_) | Error::ConnectionInUse)) => Err(error),
                _ => Ok(()),
            }
        }
    }
}

fn apply(tx: &Tx<Pg>, cast: &Cast, edit: Edit, n: i64) -> Result<()> {
    let (of_rooms, of_racks, of_cases) = (Room::repository(tx), Rack::repository(tx), Case::repository(tx));
    let a_case = |at: usize, on: usize| Case {
        id: case(cast, at),
        rack_id: rack(cast, on),
        maker_id: maker(cast, 0),
        n,
        stuffing: String::new(),
    };
    let a_rack = |at: usize, of: usize| Rack { id: rack(cast, at), room_id: room(cast, of), n };
    match edit {
        Edit::Case(at) => of_cases.update(case(cast, at), (cases::n.eq(n), cases::stuffing.eq(""))).map(drop),
        Edit::Stuff(at) => {
            let stuffing = "x".repeat(1_200);
            of_cases.update(case(cast, at), (cases::n.eq(n), cases::stuffing.eq(stuffing))).map(drop)
        }
        Edit::MoveCase(at, on) => {
            of_cases.update(case(cast, at), (cases::n.eq(n), cases::rack_id.eq(rack(cast, on)))).map(drop)
        }
        Edit::Touching(at, on) => {
            let (id, rack) = (case(cast, at), rack(cast, on));
            let set = |connection: &mut PgConnection| {
                diesel::update(cases::table.find(id)).set((cases::n.eq(n), cases::rack_id.eq(rack))).execute(connection)
            };
            match tx.touching::<Case, _>(&[id], set)? {
                0 => Err(Error::other("no such case")),
                _ => Ok(()),
            }
        }
        Edit::Remake(at, of) => {
            of_cases.update(case(cast, at), (cases::n.eq(n), cases::maker_id.eq(maker(cast, of)))).map(drop)
        }
        Edit::InsertCase(on) => of_cases.insert(a_case(N_CASES - 1, on)).map(drop),
        Edit::DeleteCase(at) => of_cases.delete(case(cast, at)).map(drop),
        Edit::AllCases => of_cases.update_where(cases::n.ge(0), cases::n.eq(n)).map(drop),
        Edit::Rack(at) => of_racks.update(rack(cast, at), racks::n.eq(n)).map(drop),
        Edit::MoveRack(at, of) => {
            of_racks.update(rack(cast, at), (racks::n.eq(n), racks::room_id.eq(room(cast, of)))).map(drop)
        }
        Edit::InsertRack(of) => of_racks.insert(a_rack(N_RACKS - 1, of)).map(drop),
        Edit::DeleteRack(at) => of_racks.delete(rack(cast, at)).map(drop),
        Edit::Renew(at, of) => {
            of_racks.delete(rack(cast, at))?;
            of_racks.insert(a_rack(at, of))?;
            if at == 0 && of_cases.find(case(cast, 0))?.is_none() {
                of_cases.insert(a_case(0, at))?;
            }
            Ok(())
        }
        Edit::AllRacks => of_racks.update_where(racks::n.ge(0), racks::n.eq(n)).map(drop),
        Edit::Room(at) => of_rooms.update(room(cast, at), rooms::n.eq(n)).map(drop),
        Edit::InsertRoom => of_rooms.insert(&Room { id: room(cast, N_ROOMS - 1), n }).map(drop),
        Edit::DeleteRoom(at) => of_rooms.delete(room(cast, at)).map(drop),
        Edit::Maker(at) => Maker::repository(tx).update(maker(cast, at), makers::n.eq(n)).map(drop),
    }
}
