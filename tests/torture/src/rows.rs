//! The few rows of a schedule, and what is read of them.

use std::fmt;

use ::tests::day;
use diesel::{PgConnection, QueryResult, connection::SimpleConnection as _};
use shop_core::{Order, Status, User, UserStats};
use uuid::Uuid;

use crate::{
    books::{self, Line, Sheet, SheetTotals},
    trees::{Found, Part},
};

/// How many users, orders and addresses a schedule knows; the last user, the last order and the last two addresses are not
/// there at first.
pub const N_USERS: usize = 3;
/// As [`N_USERS`].
pub const N_ORDERS: usize = 4;
/// As [`N_USERS`].
pub const N_EMAILS: usize = 4;

/// Who the rows of a schedule are. They follow from its seed, so that no schedule meets the cells of another.
#[derive(Debug, Clone)]
pub struct Cast {
    seed: u64,
}

impl Cast {
    /// The rows of that seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed }
    }

    /// The id of a user.
    #[must_use]
    pub fn user(&self, n: usize) -> Uuid {
        self.row(1, n)
    }

    /// The id of an order.
    #[must_use]
    pub fn order(&self, n: usize) -> Uuid {
        self.row(2, n)
    }

    /// The id of a row of a kind.
    #[must_use]
    pub fn row(&self, kind: u64, n: usize) -> Uuid {
        Uuid::from_u64_pair(self.seed, 0x8000_0000_0000_0000 + (kind << 8) + n as u64)
    }

    /// An address.
    #[must_use]
    pub fn email(&self, n: usize) -> String {
        format!("{n}@{:x}", self.seed)
    }

    /// All that can be asked for.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        let users = (0..N_USERS).flat_map(|n| {
            let id = self.user(n);
            [Key::User(id), Key::OrdersOf(id)].into_iter().chain(Status::ALL.map(|status| Key::OrdersIn(id, status)))
        });
        let orders = (0..N_ORDERS).map(|n| Key::Order(self.order(n)));
        let books = (0..books::N_SHEETS)
            .flat_map(|n| [books::sheet_key(self, n), books::totals_key(self, n), books::lines_key(self, n)]);
        users.chain(orders).chain((0..N_EMAILS).map(|n| Key::Email(self.email(n)))).chain(books)
    }

    /// Takes the place of whatever rows the database has.
    ///
    /// # Errors
    /// Those of the database.
    pub fn enter(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let users = (0..2).map(|n| format!("('{}', '{}', '{}')", self.user(n), self.email(n), day(0)));
        let orders = [(0, 0), (1, 0), (2, 1)].map(|(order, user)| {
            format!("('{}', '{}', 'pending', 0, '{}')", self.order(order), self.user(user), day(0))
        });
        connection.batch_execute(&format!(
            "BEGIN; DELETE FROM orders; DELETE FROM users; INSERT INTO users VALUES {}; INSERT INTO orders VALUES {}; COMMIT",
            users.collect::<Vec<_>>().join(", "),
            orders.join(", ")
        ))
    }
}

/// What is read at once, and is promised to be of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A user by its id.
    User(Uuid),
    /// A user by its address.
    Email(String),
    /// An order by its id.
    Order(Uuid),
    /// The orders of a user.
    OrdersOf(Uuid),
    /// The orders of a user that have come so far.
    OrdersIn(Uuid, Status),
    /// All orders.
    Orders,
    /// A sheet by its id.
    Sheet(Uuid),
    /// What the lines of a sheet come to.
    Totals(Uuid),
    /// The lines of a sheet.
    LinesOf(Uuid),
    /// What a user has bought, as of the last refresh.
    Stats(Uuid),
    /// A tree, or something of it.
    Part(Part),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {}", number(*id)),
            Self::Email(email) => write!(f, "user by {}", local(email)),
            Self::Order(id) => write!(f, "order {}", number(*id)),
            Self::OrdersOf(id) => write!(f, "orders of user {}", number(*id)),
            Self::Orders => f.write_str("orders"),
            Self::Sheet(id) => write!(f, "sheet {}", number(*id)),
            Self::Totals(id) => write!(f, "totals of sheet {}", number(*id)),
            Self::LinesOf(id) => write!(f, "lines of sheet {}", number(*id)),
            Self::Stats(id) => write!(f, "view of user {}", number(*id)),
            Self::Part(part) => part.fmt(f),
            Self::OrdersIn(id, status) => write!(f, "{status} orders of user {}", number(*id)),
        }
    }
}

/// What a key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One user or none.
    User(Option<User>),
    /// One order or none.
    Order(Option<Order>),
    /// Any number of orders, in the order of the key's pattern.
    Orders(Vec<Order>),
    /// One sheet or none.
    Sheet(Option<Sheet>),
    /// What the lines of a sheet come to, or nothing.
    Totals(Option<SheetTotals>),
    /// Any number of lines, in the order of their keys.
    Lines(Vec<Line>),
    /// A row of the view, or none.
    Stats(Option<UserStats>),
    /// Of a tree.
    Part(Found),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = |order: &Order| {
            let Order { id, user_id, status, total_amount, .. } = order;
            format!("#{} of user {} {status} {total_amount}", number(*id), number(*user_id))
        };
        match self {
            Self::User(None) | Self::Order(None) | Self::Sheet(None) | Self::Totals(None) | Self::Stats(None) => {
                f.write_str("none")
            }
            Self::Part(found) => found.fmt(f),
            Self::User(Some(user)) => write!(f, "user {} {}", number(user.id), local(&user.email)),
            Self::Order(Some(one)) => f.write_str(&order(one)),
            Self::Sheet(Some(sheet)) => write!(f, "{} lines for {}", sheet.n_lines, sheet.total),
            Self::Totals(Some(totals)) => write!(f, "{} lines for {}", totals.n_lines, totals.total),
            Self::Lines(all) => {
                let line = |line: &Line| format!("#{} {} x {}", number(line.id), line.quantity, line.price);
                write!(f, "[{}]", all.iter().map(line).collect::<Vec<_>>().join(", "))
            }
            Self::Stats(Some(stats)) => write!(f, "{} orders for {}", stats.order_count, stats.total_spent),
            Self::Orders(all) => write!(f, "[{}]", all.iter().map(order).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// The amount of an order.
#[must_use]
pub fn cents(order: &Order) -> i64 {
    let (cents, _) = order.total_amount.with_scale(2).into_bigint_and_exponent();
    i64::try_from(cents).expect("an amount has ten digits")
}

/// A row's number among those of its kind.
fn number(id: Uuid) -> u64 {
    id.as_u64_pair().1 & 0xff
}

/// What stands before the seed.
fn local(email: &str) -> &str {
    email.split('@').next().unwrap_or(email)
}
