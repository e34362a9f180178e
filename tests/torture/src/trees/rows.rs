//! All rows of trees at a moment, and whether a tree that was read is made of what they were.

use std::collections::BTreeMap;

use diesel::{PgConnection, QueryResult, RunQueryDsl as _};
use uuid::Uuid;

use super::{Case, CaseTree, Found, Maker, Part, Rack, RackTree, Room, RoomTree, cases, makers, racks, rooms};
use crate::{act::Act, history::History};

/// All rooms, racks, cases and makers at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    rooms: BTreeMap<Uuid, Room>,
    racks: BTreeMap<Uuid, Rack>,
    cases: BTreeMap<Uuid, Case>,
    makers: BTreeMap<Uuid, Maker>,
}

impl Rows {
    /// What the database holds now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of(connection: &mut PgConnection) -> QueryResult<Self> {
        let rooms: Vec<Room> = rooms::table.load(connection)?;
        let racks: Vec<Rack> = racks::table.load(connection)?;
        let cases: Vec<Case> = cases::table.load(connection)?;
        let makers: Vec<Maker> = makers::table.load(connection)?;
        Ok(Self {
            rooms: rooms.into_iter().map(|room| (room.id, room)).collect(),
            racks: racks.into_iter().map(|rack| (rack.id, rack)).collect(),
            cases: cases.into_iter().map(|case| (case.id, case)).collect(),
            makers: makers.into_iter().map(|maker| (maker.id, maker)).collect(),
        })
    }

    /// What is found there.
    #[must_use]
    pub fn found(&self, part: Part) -> Found {
        match part {
            Part::Tree(id) => Found::Tree(self.rooms.get(&id).map(|room| self.tree(room))),
            Part::Room(id) => Found::Room(self.rooms.get(&id).cloned()),
            Part::Racks(id) => Found::Racks(self.racks_of(id).cloned().collect()),
            Part::Cases(id) => Found::Cases(self.cases_of(id).cloned().collect()),
            Part::Maker(id) => Found::Maker(self.makers.get(&id).cloned()),
        }
    }

    /// The racks of a room, in the order of their keys.
    pub fn racks_of(&self, room: Uuid) -> impl Iterator<Item = &Rack> {
        self.racks.values().filter(move |rack| rack.room_id == room)
    }

    /// The cases of a rack, in the order of their keys.
    pub fn cases_of(&self, rack: Uuid) -> impl Iterator<Item = &Case> {
        self.cases.values().filter(move |case| case.rack_id == rack)
    }

    /// A rack as it is.
    #[must_use]
    pub fn rack(&self, id: Uuid) -> Option<&Rack> {
        self.racks.get(&id)
    }

    /// A case as it is.
    #[must_use]
    pub fn case(&self, id: Uuid) -> Option<&Case> {
        self.cases.get(&id)
    }

    /// Whether a row has a number.
    #[must_use]
    pub fn has(&self, n: i64) -> bool {
        self.rooms.values().any(|row| row.n == n)
            || self.racks.values().any(|row| row.n == n)
            || self.cases.values().any(|row| row.n == n)
            || self.makers.values().any(|row| row.n == n)
    }

    fn tree(&self, room: &Room) -> RoomTree {
        let case = |case: &Case| {
            let Case { id, rack_id, maker_id, n, stuffing } = case.clone();
            CaseTree { id, rack_id, maker_id, n, stuffing, maker: self.makers[&maker_id].clone() }
        };
        let rack = |rack: &Rack| RackTree {
            id: rack.id,
            room_id: rack.room_id,
            n: rack.n,
            cases: self.cases_of(rack.id).map(case).collect(),
        };
        RoomTree { id: room.id, n: room.n, racks: self.racks_of(room.id).map(rack).collect() }
    }
}

impl Act {
    /// Compares a tree that was read since a moment with everything that its rows were since: the last state that it takes.
    pub fn compare_tree(&mut self, who: usize, since: usize, root: Uuid, tree: Option<&RoomTree>) -> Option<usize> {
        self.tally.trees += 1;
        if self.plan.is_judged_at_the_end {
            return None;
        }
        let whole = Found::Tree(tree.cloned());
        let is_of_one = self.history.any_since(since, |state| state.trees().found(Part::Tree(root)) == whole);
        self.tally.mixed += u64::from(!is_of_one);
        match made_of(&self.history, since, root, tree) {
            Ok(state) => Some(state),
            Err(what) => {
                self.is_wrong(format!("actor {who} read of {}: {whole}, with {what}", Part::Tree(root)));
                None
            }
        }
    }
}

/// Whether a tree is made, a level after the other, of what the database was since a state: the last state that it takes.
///
/// Who reads from the tables sends a statement for each level, and others may write between two of them. So each row, and each list of
/// rows, has to be of a state since the read began, and of none before those of the level above it.
///
/// # Errors
/// What is not.
pub fn made_of(history: &History, since: usize, root: Uuid, tree: Option<&RoomTree>) -> Result<usize, String> {
    let level = |since: usize, part: Part, found: Found| {
        history.first_since(since, |state| state.trees().found(part) == found).ok_or_else(|| {
            let now = history.now().trees().found(part);
            format!("{part}: {found}, which it was in no state since {since}; the database has {now}")
        })
    };
    let row = tree.map(|tree| Room { id: tree.id, n: tree.n });
    let at = level(since, Part::Room(root), Found::Room(row))?;
    let Some(tree) = tree else { return Ok(at) };
    let racks = tree.racks.iter().map(|rack| Rack { id: rack.id, room_id: rack.room_id, n: rack.n });
    let above = level(at, Part::Racks(root), Found::Racks(racks.collect()))?;
    let mut at = above;
    for rack in &tree.racks {
        at = at.max(level(above, Part::Cases(rack.id), Found::Cases(rack.cases.iter().map(row_of).collect()))?);
    }
    let above = at;
    for case in tree.racks.iter().flat_map(|rack| &rack.cases) {
        at = at.max(level(above, Part::Maker(case.maker_id), Found::Maker(Some(case.maker.clone())))?);
    }
    Ok(at)
}

fn row_of(case: &CaseTree) -> Case {
    let CaseTree { id, rack_id, maker_id, n, stuffing, maker: _ } = case.clone();
    Case { id, rack_id, maker_id, n, stuffing }
}
