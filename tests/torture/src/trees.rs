//! Rooms, their racks and the cases on those: trees that are stored whole.
//!
//! A case has a maker, whom any number of trees may show. Each write gives a row a number that no other write gives, so what is old can be
//! told from what is new.

pub mod edit;
pub mod rows;

use std::fmt;

use diesel::{
    Associations, Identifiable, Insertable, PgConnection, QueryResult, Queryable, Selectable,
    connection::SimpleConnection as _, pg::Pg,
};
use larder::{Consistency, Larder, Repository, Result, View};
use uuid::Uuid;

use crate::rows::{Cast, Key, Value};

/// How many rows of each kind a schedule knows; the last room, the last rack and the last case are not there at first.
pub const N_ROOMS: usize = 4;
/// As [`N_ROOMS`].
pub const N_RACKS: usize = 5;
/// As [`N_ROOMS`].
pub const N_CASES: usize = 5;
/// As [`N_ROOMS`].
pub const N_MAKERS: usize = 2;

diesel::table! {
    /// The roots.
    rooms (id) {
        /// The primary key.
        id -> Uuid,
        /// Of the last write.
        n -> BigInt,
    }
}

diesel::table! {
    /// What is in rooms.
    racks (id) {
        /// The primary key.
        id -> Uuid,
        /// Where it is.
        room_id -> Uuid,
        /// Of the last write.
        n -> BigInt,
    }
}

diesel::table! {
    /// What is on racks.
    cases (id) {
        /// The primary key.
        id -> Uuid,
        /// Where it is.
        rack_id -> Uuid,
        /// Whose it is.
        maker_id -> Uuid,
        /// Of the last write.
        n -> BigInt,
        /// Nothing, or so much that no cell has room for the tree.
        stuffing -> Text,
    }
}

diesel::table! {
    /// What cases are of.
    makers (id) {
        /// The primary key.
        id -> Uuid,
        /// Of the last write.
        n -> BigInt,
    }
}

/// The tables.
pub const UP: &str = "
CREATE TABLE rooms (id uuid PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE makers (id uuid PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE racks (id uuid PRIMARY KEY, room_id uuid NOT NULL REFERENCES rooms ON DELETE CASCADE, n bigint NOT NULL);
CREATE TABLE cases (id uuid PRIMARY KEY, rack_id uuid NOT NULL REFERENCES racks ON DELETE CASCADE,
    maker_id uuid NOT NULL REFERENCES makers, n bigint NOT NULL, stuffing text NOT NULL);
CREATE INDEX ON racks (room_id);
CREATE INDEX ON cases (rack_id);";

/// A root.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = rooms, check_for_backend(diesel::pg::Pg))]
#[larder(has_many(racks: Rack, on_delete = cascade), in_view(RoomTree))]
pub struct Room {
    /// The primary key.
    pub id: Uuid,
    /// Of the last write.
    pub n: i64,
}

/// What is in a room.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Insertable, Associations, Repository)]
#[diesel(table_name = racks, belongs_to(Room), check_for_backend(diesel::pg::Pg))]
#[larder(has_many(cases: Case, on_delete = cascade), in_view(RoomTree))]
pub struct Rack {
    /// The primary key.
    pub id: Uuid,
    /// Where it is.
    pub room_id: Uuid,
    /// Of the last write.
    pub n: i64,
}

/// What is on a rack.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Insertable, Associations, Repository)]
#[diesel(table_name = cases, belongs_to(Rack), belongs_to(Maker), check_for_backend(diesel::pg::Pg))]
#[larder(in_view(RoomTree))]
pub struct Case {
    /// The primary key.
    pub id: Uuid,
    /// Where it is.
    pub rack_id: Uuid,
    /// Whose it is.
    pub maker_id: Uuid,
    /// Of the last write.
    pub n: i64,
    /// Nothing, or more than a tree may have.
    pub stuffing: String,
}

/// What cases of any tree are of.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = makers, check_for_backend(diesel::pg::Pg))]
#[larder(in_view(RoomTree))]
pub struct Maker {
    /// The primary key.
    pub id: Uuid,
    /// Of the last write.
    pub n: i64,
}

/// A room with all that is in it. A write that changes three rooms makes all trees old.
#[derive(Debug, Clone, PartialEq, Eq, View)]
#[larder(of = Room, cached(most_roots = 2, limit = "1KiB"))]
pub struct RoomTree {
    /// The primary key.
    pub id: Uuid,
    /// Of the last write.
    pub n: i64,
    /// In the order of their keys.
    #[larder(with = racks)]
    pub racks: Vec<RackTree>,
}

/// A rack with all that is on it.
#[derive(Debug, Clone, PartialEq, Eq, View)]
#[larder(of = Rack, packed)]
pub struct RackTree {
    /// The primary key.
    pub id: Uuid,
    /// Where it is.
    pub room_id: Uuid,
    /// Of the last write.
    pub n: i64,
    /// In the order of their keys.
    #[larder(with = cases)]
    pub cases: Vec<CaseTree>,
}

/// A case and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, View)]
#[larder(of = Case, packed)]
pub struct CaseTree {
    /// The primary key.
    pub id: Uuid,
    /// Where it is.
    pub rack_id: Uuid,
    /// Whose it is.
    pub maker_id: Uuid,
    /// Of the last write.
    pub n: i64,
    /// Nothing, or more than a tree may have.
    pub stuffing: String,
    /// Whose it is.
    #[larder(with = maker)]
    pub maker: Maker,
}

/// What is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// A tree by its root's key.
    Tree(Uuid),
    /// A room by its id.
    Room(Uuid),
    /// The racks of a room.
    Racks(Uuid),
    /// The cases of a rack.
    Cases(Uuid),
    /// A maker by its id.
    Maker(Uuid),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(id) => write!(f, "tree of room {}", number(*id)),
            Self::Room(id) => write!(f, "room {}", number(*id)),
            Self::Racks(id) => write!(f, "racks of room {}", number(*id)),
            Self::Cases(id) => write!(f, "cases of rack {}", number(*id)),
            Self::Maker(id) => write!(f, "maker {}", number(*id)),
        }
    }
}

/// What is found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One or none.
    Tree(Option<RoomTree>),
    /// One or none.
    Room(Option<Room>),
    /// In the order of their keys.
    Racks(Vec<Rack>),
    /// In the order of their keys.
    Cases(Vec<Case>),
    /// One or none.
    Maker(Option<Maker>),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = |id: Uuid, n: i64, stuffing: &str| {
            format!("case {}={n}{}", number(id), if stuffing.is_empty() { "" } else { " (stuffed)" })
        };
        let join = |words: Vec<String>| words.join(", ");
        match self {
            Self::Tree(None) | Self::Room(None) | Self::Maker(None) => f.write_str("none"),
            Self::Room(Some(Room { n, .. })) | Self::Maker(Some(Maker { n, .. })) => write!(f, "{n}"),
            Self::Racks(racks) => {
                write!(
                    f,
                    "[{}]",
                    join(racks.iter().map(|rack| format!("rack {}={}", number(rack.id), rack.n)).collect())
                )
            }
            Self::Cases(cases) => {
                let cases = cases.iter().map(|one| case(one.id, one.n, &one.stuffing));
                write!(f, "[{}]", join(cases.collect()))
            }
            Self::Tree(Some(tree)) => {
                let rack = |rack: &RackTree| {
                    let cases = rack.cases.iter().map(|one| {
                        let (maker, n) = (number(one.maker.id), one.maker.n);
                        format!("{} of maker {maker}={n}", case(one.id, one.n, &one.stuffing))
                    });
                    format!("rack {}={} [{}]", number(rack.id), rack.n, join(cases.collect()))
                };
                write!(f, "{} [{}]", tree.n, join(tree.racks.iter().map(rack).collect()))
            }
        }
    }
}

/// What a reader asks for. Rows are named by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A tree.
    Tree(usize),
    /// All trees at once.
    Trees,
    /// A room without what is in it.
    Room(usize),
    /// The racks of a room.
    Racks(usize),
    /// The cases of a rack.
    Cases(usize),
    /// A maker.
    Maker(usize),
}

impl Ask {
    /// Draws one: mostly the same tree.
    pub fn draw(random: &mut fastrand::Rng) -> Self {
        match random.u8(..12) {
            0..6 => Self::Tree(some_room(random)),
            6..8 => Self::Trees,
            8 => Self::Room(some_room(random)),
            9 => Self::Racks(some_room(random)),
            10 => Self::Cases(random.usize(..2)),
            _ => Self::Maker(0),
        }
    }
}

fn some_room(random: &mut fastrand::Rng) -> usize {
    if random.u8(..5) > 0 { random.usize(..2) } else { random.usize(..N_ROOMS) }
}

/// Reads: each key with what was found there.
///
/// # Errors
/// The database's.
pub fn read(larder: &Larder<Pg>, cast: &Cast, ask: Ask, from: Consistency) -> Result<Vec<(Key, Value)>> {
    let trees = || Room::repository(larder).reading(from).select::<RoomTree>();
    let one = |part: Part, found: Found| vec![(Key::Part(part), Value::Part(found))];
    Ok(match ask {
        Ask::Tree(n) => one(Part::Tree(room(cast, n)), Found::Tree(trees().find(room(cast, n))?)),
        Ask::Trees => {
            let ids: Vec<Uuid> = (0..N_ROOMS).map(|n| room(cast, n)).collect();
            let found = trees().find_many(&ids)?.into_iter().map(|tree| Value::Part(Found::Tree(tree)));
            ids.into_iter().map(|id| Key::Part(Part::Tree(id))).zip(found).collect()
        }
        Ask::Room(n) => {
            let id = room(cast, n);
            one(Part::Room(id), Found::Room(Room::repository(larder).reading(from).find(id)?))
        }
        Ask::Racks(n) => {
            let id = room(cast, n);
            let racks = Rack::repository(larder).reading(from).list_by_room_id(id).load()?;
            one(Part::Racks(id), Found::Racks(racks))
        }
        Ask::Cases(n) => {
            let id = rack(cast, n);
            let cases = Case::repository(larder).reading(from).list_by_rack_id(id).load()?;
            one(Part::Cases(id), Found::Cases(cases))
        }
        Ask::Maker(n) => {
            let id = maker(cast, n);
            one(Part::Maker(id), Found::Maker(Maker::repository(larder).reading(from).find(id)?))
        }
    })
}

/// The id of a room.
#[must_use]
pub fn room(cast: &Cast, n: usize) -> Uuid {
    cast.row(5, n)
}

/// The id of a rack.
#[must_use]
pub fn rack(cast: &Cast, n: usize) -> Uuid {
    cast.row(6, n)
}

/// The id of a case.
#[must_use]
pub fn case(cast: &Cast, n: usize) -> Uuid {
    cast.row(7, n)
}

/// The id of a maker.
#[must_use]
pub fn maker(cast: &Cast, n: usize) -> Uuid {
    cast.row(8, n)
}

/// A row's number among those of its kind.
#[must_use]
pub fn number(id: Uuid) -> usize {
    usize::from(id.as_bytes()[15])
}

/// Takes the place of whatever rooms the database has.
///
/// # Errors
/// Those of the database.
pub fn enter(cast: &Cast, connection: &mut PgConnection) -> QueryResult<()> {
    let list = |rows: Vec<String>| rows.join(", ");
    let rooms = (0..N_ROOMS - 1).map(|n| format!("('{}', 0)", room(cast, n)));
    let makers = (0..N_MAKERS).map(|n| format!("('{}', 0)", maker(cast, n)));
    let racks =
        [(0, 0), (1, 0), (2, 1), (3, 2)].map(|(n, of)| format!("('{}', '{}', 0)", rack(cast, n), room(cast, of)));
    let cases = [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 2, 0)]
        .map(|(n, on, of)| format!("('{}', '{}', '{}', 0, '')", case(cast, n), rack(cast, on), maker(cast, of)));
    connection.batch_execute(&format!(
        "BEGIN; DELETE FROM rooms; DELETE FROM makers; INSERT INTO rooms VALUES {}; INSERT INTO makers VALUES {};
         INSERT INTO racks VALUES {}; INSERT INTO cases VALUES {}; COMMIT",
        list(rooms.collect()),
        list(makers.collect()),
        racks.join(", "),
        cases.join(", ")
    ))
}
