//! Does what the plan says, through larder's repositories.

use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, pg::Pg};
use larder::{Consistency, Error, Larder, MaterializedView as _, Result, refresh::Refreshed};
use shop_core::{NewOrder, NewUser, Order, OrderChanges, Status, User, UserChanges, UserStats, schema::orders};
use tests::{day, money};
use uuid::Uuid;

use crate::{
    act::Place,
    books::{self, Line, Sheet, SheetTotals},
    history::State,
    mutant::Mutation,
    plan::{Grain, Read, Statement, Write},
    rows::{Cast, Key, N_ORDERS, N_USERS, Value},
    stage::Stage,
    trees::{self, edit::Within},
};

/// Reads: each key with what was found there.
///
/// # Errors
/// The database's.
pub fn read(larder: &Larder<Pg>, cast: &Cast, read: Read, from: Consistency) -> Result<Vec<(Key, Value)>> {
    let (users, orders) = (User::repository(larder).reading(from), Order::repository(larder).reading(from));
    Ok(match read {
        Read::User(n) => vec![(Key::User(cast.user(n)), Value::User(users.find(cast.user(n))?))],
        Read::Users => {
            let ids: Vec<Uuid> = (0..N_USERS).map(|n| cast.user(n)).collect();
            let found = users.find_many(&ids)?;
            ids.into_iter().map(Key::User).zip(found.into_iter().map(Value::User)).collect()
        }
        Read::ByEmail(n) => vec![(Key::Email(cast.email(n)), Value::User(users.find_by_email(cast.email(n))?))],
        Read::Order(n) => vec![(Key::Order(cast.order(n)), Value::Order(orders.find(cast.order(n))?))],
        Read::Orders => {
            let ids: Vec<Uuid> = (0..N_ORDERS).map(|n| cast.order(n)).collect();
            let found = orders.find_many(&ids)?;
            ids.into_iter().map(Key::Order).zip(found.into_iter().map(Value::Order)).collect()
        }
        Read::OrdersOf(n) => {
            let found = orders.list_by_user_id(cast.user(n)).load()?;
            vec![(Key::OrdersOf(cast.user(n)), Value::Orders(found))]
        }
        Read::OrdersIn(n, status) => {
            let found = orders.list_by_user_id_and_status(cast.user(n), status).load()?;
            vec![(Key::OrdersIn(cast.user(n), status), Value::Orders(found))]
        }
        Read::Sheet(n) => sheet(larder, books::sheet_key(cast, n), from)?,
        Read::Totals(n) => sheet(larder, books::totals_key(cast, n), from)?,
        Read::LinesOf(n) => sheet(larder, books::lines_key(cast, n), from)?,
        Read::Stats(n) => {
            let id = cast.user(n);
            vec![(Key::Stats(id), Value::Stats(UserStats::repository(larder).reading(from).find(id)?))]
        }
        Read::Part(ask) => trees::read(larder, cast, ask, from)?,
        Read::Query(grain) => vec![query(larder, cast, grain)?],
        Read::WithOrders(n) => match users.with(User::orders()).find(cast.user(n))? {
            None => vec![(Key::User(cast.user(n)), Value::User(None))],
            Some((user, orders)) => {
                vec![(Key::OrdersOf(user.id), Value::Orders(orders)), (Key::User(user.id), Value::User(Some(user)))]
            }
        },
    })
}

/// Reads something of the books.
fn sheet(larder: &Larder<Pg>, key: Key, from: Consistency) -> Result<Vec<(Key, Value)>> {
    let value = match &key {
        Key::Sheet(id) => Value::Sheet(Sheet::repository(larder).reading(from).find(*id)?),
        Key::Totals(id) => Value::Totals(SheetTotals::repository(larder).reading(from).find(*id)?),
        Key::LinesOf(id) => Value::Lines(Line::repository(larder).reading(from).list_by_sheet_id(*id).load()?),
        key => unreachable!("{key} is not in the books"),
    };
    Ok(vec![(key, value)])
}

/// Asks for the result of a query that is kept until what it depends on is written.
fn query(larder: &Larder<Pg>, cast: &Cast, grain: Grain) -> Result<(Key, Value)> {
    let query = larder.query("orders");
    let (query, key) = match grain {
        Grain::Row(n) => (query.depends_on_row::<Order>(cast.order(n)), Key::Order(cast.order(n))),
        Grain::Key(n) => (query.depends_on_key(Order::key_by_user_id(cast.user(n))), Key::OrdersOf(cast.user(n))),
        Grain::Table => (query.depends_on::<Order>(), Key::Orders),
    };
    // The seed's, so that no schedule meets the results of another.
    let found: Vec<Order> = query.params(&(cast.user(0), key.to_string())).load(|connection| {
        let orders = orders::table.order(orders::id).into_boxed();
        match grain {
            Grain::Row(n) => orders.filter(orders::id.eq(cast.order(n))).load(connection),
            Grain::Key(n) => orders.filter(orders::user_id.eq(cast.user(n))).load(connection),
            Grain::Table => orders.load(connection),
        }
    })?;
    let value = match grain {
        Grain::Row(_) => Value::Order(found.into_iter().next()),
        Grain::Key(_) | Grain::Table => Value::Orders(found),
    };
    Ok((key, value))
}

/// What must have been in one state of the database if a write says that it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// An order with these contents.
    Order(Order),
    /// A user with these contents.
    User(User),
    /// An order with that amount.
    Amount(Uuid, i64),
    /// A row of a tree with that number.
    Number(i64),
    /// No such order.
    NoOrder(Uuid),
    /// No such user.
    NoUser(Uuid),
}

impl Claim {
    /// Whether a state bears it out.
    #[must_use]
    pub fn holds(&self, state: &State) -> bool {
        match self {
            Self::Order(order) => state.has_order(order),
            Self::User(user) => state.has_user(user),
            Self::Amount(id, amount) => state.has_amount(*amount, |order| order == *id),
            Self::Number(n) => state.has_number(*n),
            Self::NoOrder(id) => state.value(&Key::Order(*id)) == Value::Order(None),
            Self::NoUser(id) => state.value(&Key::User(*id)) == Value::User(None),
        }
    }

    fn row(&self) -> Uuid {
        match self {
            Self::Order(order) => order.id,
            Self::User(user) => user.id,
            // Only of the last write of a transaction anything is claimed.
            Self::Number(_) => Uuid::nil(),
            Self::Amount(id, _) | Self::NoOrder(id) | Self::NoUser(id) => *id,
        }
    }
}

/// Writes, and claims what the database has in the end.
///
/// # Errors
/// Whatever larder says of the transaction.
pub fn write(stage: &Stage, me: usize, larder: &Larder<Pg>, cast: &Cast, write: &Write) -> Result<Vec<Claim>> {
    let total = |amount| orders::total_amount.eq(money(amount));
    let keeps_undone = stage.show().act.mutation == Some(Mutation::KeepsWhatIsUndone);
    larder.transaction(|tx| {
        let mut claims: Vec<Claim> = Vec::new();
        let (users, orders) = (User::repository(tx), Order::repository(tx));
        for &statement in &write.statements {
            stage.step(me, Place::Statement(statement));
            let amount = |is_undone: bool| {
                let mut show = stage.show();
                let act = &mut show.act;
                act.n_amounts += 1;
                if is_undone {
                    act.never.push(act.n_amounts);
                } else {
                    act.slots[me].amounts.push(act.n_amounts);
                }
                act.n_amounts
            };
            let claim = match statement {
                Statement::Amount(n) => Some(Claim::Order(orders.update(cast.order(n), total(amount(false)))?)),
                Statement::Undone(n) => {
                    let undone: Result<()> = tx.savepoint(|tx| {
                        Order::repository(tx).update(cast.order(n), total(amount(true)))?;
                        if keeps_undone { Ok(()) } else { Err(Error::other("undone")) }
                    });
                    // A row that is not there is as well undone; a statement that failed for another reason is not.
                    match undone {
                        Err(error @ (Error::Database(_) | Error::ConnectionInUse)) => return Err(error),
                        _ => None,
                    }
                }
                Statement::Advance(n, status) => {
                    let changes = OrderChanges { status: Some(status), ..Default::default() };
                    Some(Claim::Order(orders.update(cast.order(n), &changes)?))
                }
                Statement::Move(n, user) => {
                    let changes = OrderChanges { user_id: Some(cast.user(user)), ..Default::default() };
                    Some(Claim::Order(orders.update(cast.order(n), &changes)?))
                }
                Statement::Email(n, email) => {
                    let changes = UserChanges { email: Some(cast.email(email)), ..Default::default() };
                    Some(Claim::User(users.update(cast.user(n), &changes)?))
                }
                Statement::InsertOrder(user) => {
                    let record = NewOrder {
                        id: Some(cast.order(N_ORDERS - 1)),
                        user_id: cast.user(user),
                        status: Status::Paid,
                        total_amount: money(0),
                        created_at: Some(day(1)),
                    };
                    Some(Claim::Order(orders.insert(&record)?))
                }
                Statement::InsertUser(email) => {
                    let id = Some(cast.user(N_USERS - 1));
                    let record = NewUser { id, email: cast.email(email), created_at: Some(day(1)) };
                    Some(Claim::User(users.insert(&record)?))
                }
                Statement::DeleteOrder(n) => {
                    orders.delete(cast.order(n)).map(|_| Some(Claim::NoOrder(cast.order(n))))?
                }
                Statement::DeleteUser(n) => users.delete(cast.user(n)).map(|_| Some(Claim::NoUser(cast.user(n))))?,
                Statement::Touching(n) => {
                    let amount = amount(false);
                    let n_rows = tx.touching::<Order, _>(&[cast.order(n)], |connection| {
                        diesel::update(orders::table.find(cast.order(n))).set(total(amount)).execute(connection)
                    })?;
                    (n_rows > 0).then(|| Claim::Amount(cast.order(n), amount))
                }
                Statement::Book(entry) => books::write(tx, cast, entry).map(|()| None)?,
                Statement::Tree(edit, within) => {
                    claims.clear();
                    let is_undone = within == Within::Undone;
                    let n = amount(is_undone);
                    trees::edit::write(tx, cast, (edit, within), n)?;
                    (edit.leaves_number() && !is_undone).then_some(Claim::Number(n))
                }
                Statement::Upkeep | Statement::Several | Statement::Climb => None,
                Statement::Send(_) | Statement::Flush | Statement::Refresh => {
                    unreachable!("that is no statement of a writer's")
                }
            };
            if let Some(claim) = claim {
                claims.retain(|earlier| earlier.row() != claim.row());
                claims.push(claim);
            }
        }
        if write.gives_up { Err(Error::other("gives up")) } else { Ok(claims) }
    })
}

/// Refreshes the materialized view.
///
/// # Errors
/// Whatever larder says of it.
pub fn refresh(stage: &Stage, me: usize, larder: &Larder<Pg>) -> Result<Refreshed> {
    stage.step(me, Place::Statement(Statement::Refresh));
    UserStats::refresh(larder)
}
