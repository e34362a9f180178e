//! Everything the database ever was.

use std::{collections::BTreeMap, time::Duration};

use ::tests::money;
use diesel::{PgConnection, QueryResult, RunQueryDsl as _};
use shop_core::{
    Order, User, UserStats,
    schema::{orders, users},
    views::user_stats,
};
use uuid::Uuid;

use crate::{
    books::Books,
    rows::{Key, Value},
    theme::Theme,
    trees::rows::Rows,
};

/// All rows at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    users: BTreeMap<Uuid, User>,
    orders: BTreeMap<Uuid, Order>,
    books: Books,
    stats: BTreeMap<Uuid, UserStats>,
    trees: Rows,
}

impl State {
    /// What the database holds now, committed by whomever: of what a theme is about. Some statements, of which nobody gets in between.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of(connection: &mut PgConnection, theme: Theme) -> QueryResult<Self> {
        let books = if theme == Theme::Upkeep { Books::of(connection)? } else { Books::default() };
        let trees = if theme == Theme::Tree { Rows::of(connection)? } else { Rows::default() };
        let stats: Vec<UserStats> = if theme == Theme::View { user_stats::table.load(connection)? } else { Vec::new() };
        let users: Vec<User> = users::table.load(connection)?;
        let orders: Vec<Order> = orders::table.load(connection)?;
        Ok(Self {
            users: users.into_iter().map(|user| (user.id, user)).collect(),
            orders: orders.into_iter().map(|order| (order.id, order)).collect(),
            books,
            stats: stats.into_iter().map(|stats| (stats.user_id, stats)).collect(),
            trees,
        })
    }

    /// What a key has.
    #[must_use]
    pub fn value(&self, key: &Key) -> Value {
        match key {
            Key::User(id) => Value::User(self.users.get(id).cloned()),
            Key::Email(email) => Value::User(self.users.values().find(|user| user.email == *email).cloned()),
            Key::Order(id) => Value::Order(self.orders.get(id).cloned()),
            Key::OrdersOf(id) => Value::Orders(self.orders_of(*id, |_| true)),
            Key::Sheet(id) => self.books.sheet(*id),
            Key::Totals(id) => self.books.totals(*id),
            Key::LinesOf(id) => self.books.lines_of(*id),
            Key::Stats(id) => Value::Stats(self.stats.get(id).cloned()),
            Key::Part(part) => Value::Part(self.trees.found(*part)),
            Key::Orders => Value::Orders(self.orders.values().cloned().collect()),
            Key::OrdersIn(id, status) => {
                let mut orders = self.orders_of(*id, |order| order.status == *status);
                // A stable sort: those of one moment stay in the order of their ids.
                orders.sort_by_key(|order| std::cmp::Reverse(order.created_at));
                Value::Orders(orders)
            }
        }
    }

    /// What is counted.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// What trees are made of.
    #[must_use]
    pub fn trees(&self) -> &Rows {
        &self.trees
    }

    /// Whether any row was given that number.
    #[must_use]
    pub fn has_number(&self, n: i64) -> bool {
        self.has_amount(n, |_| true) || self.trees.has(n)
    }

    /// The address that a user has.
    #[must_use]
    pub fn email_of(&self, id: Uuid) -> Option<&str> {
        self.users.get(&id).map(|user| user.email.as_str())
    }

    /// Whether an order has exactly these contents.
    #[must_use]
    pub fn has_order(&self, order: &Order) -> bool {
        self.orders.get(&order.id) == Some(order)
    }

    /// Whether a user has exactly these contents.
    #[must_use]
    pub fn has_user(&self, user: &User) -> bool {
        self.users.get(&user.id) == Some(user)
    }

    /// Whether one of those orders has that amount.
    pub fn has_amount(&self, amount: i64, is_meant: impl Fn(Uuid) -> bool) -> bool {
        let amount = money(amount);
        self.orders.values().any(|order| is_meant(order.id) && order.total_amount == amount)
    }

    fn orders_of(&self, user: Uuid, is_wanted: impl Fn(&Order) -> bool) -> Vec<Order> {
        self.orders.values().filter(|order| order.user_id == user && is_wanted(order)).cloned().collect()
    }
}

/// Every state that the database was in, in their order.
#[derive(Debug, Clone)]
pub struct History {
    states: Vec<State>,
    /// Since when the database is in each of them.
    times: Vec<Duration>,
}

impl History {
    /// Begins with what is there at first.
    #[must_use]
    pub fn from(first: State) -> Self {
        Self { states: vec![first], times: vec![Duration::ZERO] }
    }

    /// Takes down a state, if it is another one than before: whether it is.
    pub fn push(&mut self, state: State, time: Duration) -> bool {
        let is_new = *self.now() != state;
        if is_new {
            self.states.push(state);
            self.times.push(time);
        }
        is_new
    }

    /// The state that the database is in.
    #[must_use]
    pub fn now(&self) -> &State {
        self.states.last().expect("a history begins with a state")
    }

    /// The number of that state.
    #[must_use]
    pub fn at(&self) -> usize {
        self.states.len() - 1
    }

    /// The number of the state in which the database was at a time.
    #[must_use]
    pub fn at_time(&self, time: Duration) -> usize {
        self.times.partition_point(|since| *since <= time).saturating_sub(1)
    }

    /// The first state since `begin` that satisfies a condition.
    pub fn first_since(&self, begin: usize, condition: impl Fn(&State) -> bool) -> Option<usize> {
        (begin..self.states.len()).find(|&at| condition(&self.states[at]))
    }

    /// The keys that have another value in a state than in the one before it.
    #[must_use]
    pub fn changed_in(&self, at: usize, keys: impl IntoIterator<Item = Key>) -> Vec<Key> {
        let Some(before) = at.checked_sub(1) else { return Vec::new() };
        keys.into_iter().filter(|key| self.states[before].value(key) != self.states[at].value(key)).collect()
    }

    /// Whether one of the states since `begin` satisfies a condition.
    pub fn any_since(&self, begin: usize, condition: impl Fn(&State) -> bool) -> bool {
        self.states[begin..].iter().any(condition)
    }

    /// The latest state, and its number, in which a key had that value.
    #[must_use]
    pub fn when(&self, key: &Key, value: &Value) -> Option<usize> {
        self.states.iter().rposition(|state| state.value(key) == *value)
    }
}

#[cfg(test)]
mod tests {
    use ::tests::day;
    use shop_core::Status;

    use super::*;
    use crate::rows::Cast;

    fn state(cast: &Cast, amounts: &[(usize, i64)]) -> State {
        let order = |&(n, amount): &(usize, i64)| Order {
            id: cast.order(n),
            user_id: cast.user(0),
            status: Status::Paid,
            total_amount: money(amount),
            created_at: day(n as i64),
        };
        let user = User { id: cast.user(0), email: cast.email(0), created_at: day(0) };
        State {
            users: BTreeMap::from([(user.id, user)]),
            orders: amounts.iter().map(order).map(|order| (order.id, order)).collect(),
            books: Books::default(),
            stats: BTreeMap::new(),
            trees: Rows::default(),
        }
    }

    #[test]
    fn a_key_has_what_its_pattern_says() {
        let cast = Cast::of(7);
        let state = state(&cast, &[(0, 5), (1, 6)]);
        let ids = |key: &Key| -> Vec<Uuid> {
            match state.value(key) {
                Value::Orders(orders) => orders.into_iter().map(|order| order.id).collect(),
                other => panic!("{other} is no list"),
            }
        };
        let (first, second): (Uuid, Uuid) = (cast.order(0), cast.order(1));
        assert_eq!(ids(&Key::OrdersOf(cast.user(0))), [first, second]);
        assert_eq!(ids(&Key::OrdersIn(cast.user(0), Status::Paid)), [second, first], "the latest comes first");
        assert!(ids(&Key::OrdersIn(cast.user(0), Status::Shipped)).is_empty());
        assert!(ids(&Key::OrdersOf(cast.user(1))).is_empty());
        assert_eq!(state.value(&Key::Email(cast.email(0))), state.value(&Key::User(cast.user(0))));
        assert_eq!(state.value(&Key::Email(cast.email(1))), Value::User(None));
    }

    #[test]
    fn a_value_counts_from_the_state_in_which_the_read_began() {
        let cast = Cast::of(7);
        let mut history = History::from(state(&cast, &[(0, 1)]));
        assert!(!history.push(state(&cast, &[(0, 1)]), Duration::from_millis(5)), "nothing has changed");
        assert!(history.push(state(&cast, &[(0, 2)]), Duration::from_millis(5)));
        let key = Key::Order(cast.order(0));
        let old = state(&cast, &[(0, 1)]).value(&key);
        assert!(history.any_since(0, |state| state.value(&key) == old));
        assert!(!history.any_since(history.at(), |state| state.value(&key) == old));
        assert_eq!((history.when(&key, &old), history.at()), (Some(0), 1));
        assert_eq!([4, 5].map(|time| history.at_time(Duration::from_millis(time))), [0, 1]);
        assert_eq!(history.changed_in(1, [key, Key::Order(cast.order(1))]), [Key::Order(cast.order(0))]);
    }

    #[test]
    fn a_cell_is_known_by_its_key() {
        let (cast, layout) = (Cast::of(7), larder::store::Layout::new(0));
        let user = cast.user(1);
        let cell = |key: String| crate::tools::key_of(&larder::store::CellKey::new(key.into_bytes(), layout));
        assert_eq!(cell(format!("users:id:{user}")), Some(Key::User(user)));
        assert_eq!(cell(format!("users:email:{}", cast.email(2))), Some(Key::Email(cast.email(2))));
        assert_eq!(cell(format!("orders:user_id:{user}")), Some(Key::OrdersOf(user)));
        assert_eq!(cell(format!("orders:user_id,status:{user},Paid")), Some(Key::OrdersIn(user, Status::Paid)));
        assert_eq!(cell("order_items:order_id:1".to_owned()), None);
    }
}
