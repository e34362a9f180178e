//! What is committed: the rows of which the trees consist.

use super::setup::{Root, Views, Write};

/// A set of writers.
pub(super) type Writers = u8;

/// A set of rows: users, orders, the item, the product.
pub(super) type RowSet = u8;

pub(super) const ITEM: usize = 4;
pub(super) const PRODUCT: usize = 5;
pub(super) const N_ROWS: usize = 6;

pub(super) const fn user(number: u8) -> usize {
    number as usize
}

pub(super) const fn order(number: u8) -> usize {
    2 + number as usize
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Order {
    /// Whose it is, if it is there.
    pub(super) user: Option<u8>,
    is_closed: bool,
    writes: Writers,
}

/// Each row as the set of writers who have changed it, where it hangs, and what has left each tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Rows {
    users: [Writers; 2],
    pub(super) orders: [Order; 2],
    /// The order that has the item, if it is there.
    pub(super) item: Option<u8>,
    item_writes: Writers,
    product: Writers,
    /// The writers who have taken something out of each tree.
    left: [Writers; 2],
}

impl Rows {
    /// Each user has an order, and the first order has the item.
    pub(super) fn new() -> Self {
        let order = |user| Order { user: Some(user), ..Order::default() };
        Self { orders: [order(0), order(1)], item: Some(0), ..Self::default() }
    }

    /// What a tree shows: the writers of its rows, and those who have taken something out of it.
    pub(super) fn tree(&self, root: usize, setup: &Views) -> Writers {
        let shown = match setup.root {
            Root::User => {
                let is_shown = |number: &usize| {
                    let order = self.orders[*number];
                    order.user.map(usize::from) == Some(root) && !order.is_closed
                };
                let orders = (0..2).filter(is_shown).fold(0, |set, number| set | self.below(number));
                self.users[root] | orders
            }
            Root::Order => {
                let order = self.orders[root];
                self.below(root) | order.user.map_or(0, |user| self.users[usize::from(user)])
            }
        };
        shown | self.left[root] | self.product
    }

    /// An order with its item.
    fn below(&self, order: usize) -> Writers {
        let has_item = self.item.map(usize::from) == Some(order);
        self.orders[order].writes | if has_item { self.item_writes } else { 0 }
    }

    /// The writers of the item's row.
    pub(super) fn item_row(&self) -> Writers {
        self.item_writes
    }

    /// Whether a tree shows the item.
    pub(super) fn shows_item(&self, root: usize, setup: &Views) -> bool {
        self.item.is_some_and(|order| self.root_of(order, setup).map(usize::from) == Some(root))
    }

    /// The root of an order's tree, if it is there.
    fn root_of(&self, order: u8, setup: &Views) -> Option<u8> {
        let user = self.orders[usize::from(order)].user;
        match setup.root {
            Root::User => user,
            Root::Order => user.map(|_| order),
        }
    }

    pub(super) fn is_closed(&self, order: u8) -> bool {
        self.orders[usize::from(order)].is_closed
    }

    /// Whether what a statement is about is still there.
    pub(super) fn has_target(&self, write: Write, setup: &Views) -> bool {
        let is_there = |order: u8| self.orders[usize::from(order)].user.is_some() || !setup.has_constraints;
        match write {
            Write::User(_) | Write::Product => true,
            Write::Order(order) | Write::Close(order) | Write::Move(order, _) | Write::Delete(order, _) => {
                self.orders[usize::from(order)].user.is_some()
            }
            Write::Add(order) => is_there(order),
            Write::Item | Write::Note => self.item.is_some(),
            Write::MoveItem(order) => self.item.is_some() && is_there(order),
        }
    }

    /// A writer commits.
    pub(super) fn apply(&mut self, writer: usize, setup: &Views) {
        let writes = 1 << writer;
        match setup.writers[writer] {
            Write::User(user) => self.users[usize::from(user)] |= writes,
            Write::Order(order) | Write::Add(order) => self.orders[usize::from(order)].writes |= writes,
            Write::Close(order) => {
                self.leave(order, writes, setup);
                self.orders[usize::from(order)].is_closed = true;
            }
            Write::Move(number, user) => {
                if setup.root == Root::User {
                    self.leave(number, writes, setup);
                }
                let order = &mut self.orders[usize::from(number)];
                order.user = Some(user);
                order.writes |= writes;
            }
            Write::Delete(order, anew) => {
                self.leave(order, writes, setup);
                self.orders[usize::from(order)] = Order { user: anew, writes, ..Order::default() };
                if setup.has_constraints && self.item == Some(order) {
                    self.item = None;
                }
            }
            Write::Item | Write::Note => self.item_writes |= writes,
            Write::MoveItem(order) => {
                if let Some(old) = self.item {
                    self.leave(old, writes, setup);
                }
                self.item = Some(order);
                self.item_writes |= writes;
            }
            Write::Product => self.product |= writes,
        }
    }

    /// Something goes out of the tree that an order is in.
    fn leave(&mut self, order: u8, writes: Writers, setup: &Views) {
        if let Some(root) = self.root_of(order, setup)
            && !self.is_closed(order)
        {
            self.left[usize::from(root)] |= writes;
        }
    }
}
