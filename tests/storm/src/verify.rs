//! When nobody writes any more: what the caches serve, against what the database has.

use diesel::{QueryDsl as _, RunQueryDsl as _, SelectableHelper as _};
use shop_core::{
    Order, User,
    schema::{orders, users},
};

use crate::{
    Result,
    record::Version,
    site::{Site, n_statements},
    world::{ADDRESSES, ORDERS, USERS, address, order_id, user_id, version_of_order, version_of_user},
};

/// What the database has.
#[derive(Debug)]
pub(crate) struct Truth {
    users: Vec<User>,
    orders: Vec<Order>,
}

/// What the caches serve beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cells {
    pub(crate) n_cells: u64,
    /// Those that a cache answered for.
    pub(crate) n_hits: u64,
    pub(crate) n_stale: u64,
    /// The stale ones, in words.
    pub(crate) mistakes: Vec<String>,
}

impl Truth {
    pub(crate) fn of(site: &Site) -> Result<Self> {
        let mut connection = site.connect()?;
        Ok(Self {
            users: users::table.select(User::as_select()).load(&mut connection)?,
            orders: orders::table.select(Order::as_select()).load(&mut connection)?,
        })
    }

    pub(crate) fn versions(&self) -> Vec<Version> {
        self.users.iter().map(version_of_user).chain(self.orders.iter().map(version_of_order)).collect()
    }
}

/// Reads every cell there is through a handle that has not seen anything yet.
pub(crate) fn verify(site: &Site, truth: &Truth) -> Result<Cells> {
    let larder = site.larder(1)?;
    let (all_users, all_orders) = (User::repository(&larder), Order::repository(&larder));
    let mut cells = Cells::default();
    for order in 0..ORDERS {
        let row = truth.orders.iter().find(|row| row.id == order_id(order));
        cells.compare(&format!("order {order}"), row.cloned(), || Ok(all_orders.find(order_id(order))?))?;
    }
    for user in 0..USERS {
        let row = truth.users.iter().find(|row| row.id == user_id(user));
        cells.compare(&format!("user {user}"), row.cloned(), || Ok(all_users.find(user_id(user))?))?;
        for which in 0..ADDRESSES {
            let email = address(user, which);
            let row = truth.users.iter().find(|row| row.email == email);
            cells.compare(&email, row.cloned(), || Ok(all_users.find_by_email(email.clone())?))?;
        }
        let list = truth.orders.iter().filter(|row| row.user_id == user_id(user)).cloned().collect();
        let load = || Ok(sorted(all_orders.list_by_user_id(user_id(user)).load()?));
        cells.compare(&format!("orders of user {user}"), sorted(list), load)?;
    }
    Ok(cells)
}

fn sorted(mut list: Vec<Order>) -> Vec<Order> {
    list.sort_by_key(|order| order.id);
    list
}

impl Cells {
    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        name: &str,
        truth: T,
        read: impl FnOnce() -> Result<T>,
    ) -> Result<()> {
        let n_before = n_statements();
        let served = read()?;
        self.n_cells += 1;
        self.n_hits += u64::from(n_statements() == n_before);
        if served != truth {
            self.n_stale += 1;
            self.mistakes.push(format!("{name}: {served:?} is served, and the database has {truth:?}"));
        }
        Ok(())
    }
}
