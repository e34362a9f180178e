use larder::{Consistency, Error};

use super::{Hand, Order, User};
use crate::{
    clock::{Moment, now},
    record::{Asked, Key, Layer, Version},
    site::{n_looks, n_statements},
    worker::recorder::Layers,
    world::{ADDRESSES, ORDERS, USERS, address, order_id, user_id, version_of_order, version_of_user},
};

/// What a read asked for, and the rows that it found.
type Answer = (Asked, Vec<Version>);

impl Hand<'_> {
    /// Reads something, and tells what.
    pub(super) fn read(&mut self) {
        match self.random.u8(..100) {
            0..5 => self.find_past_caches(),
            5..25 => self.find_order(),
            25..40 => self.find_orders(),
            40..54 => self.list_orders(),
            54..60 => self.look_twice(),
            60..73 => self.find_user(),
            73..90 => self.find_by_email(),
            _ => self.find_user_with_orders(),
        }
    }

    fn find_order(&mut self) {
        let order = self.order();
        self.tell(|hand, reading| hand.row_of_order(order, reading));
    }

    fn find_orders(&mut self) {
        let n_keys = self.random.usize(2..=8);
        let orders = self.random.choose_multiple(0..ORDERS, n_keys);
        self.find_these(orders);
    }

    /// Reads what the database has by now, which caches may serve nothing older than from then on.
    fn find_past_caches(&mut self) {
        let orders = self.random.choose_multiple(0..ORDERS, 8);
        self.tell_from(Layer::Database, |hand, _| {
            let ids: Vec<_> = orders.iter().map(|order| order_id(*order)).collect();
            let rows = hand.larder.transaction(|tx| Order::repository(tx).find_many(&ids))?;
            let asked = Asked::Rows(orders.into_iter().map(Key::Order).collect());
            Ok([(asked, rows.iter().flatten().map(version_of_order).collect())])
        });
    }

    /// Reads a list and then its rows, of which none may be older: what one cell knows is known.
    fn look_twice(&mut self) {
        let user = self.user();
        let mut orders = Vec::new();
        self.tell(|hand, reading| {
            let rows = Order::repository(hand.larder).reading(reading).list_by_user_id(user_id(user)).load()?;
            let versions: Vec<Version> = rows.iter().map(version_of_order).collect();
            orders.extend(versions.iter().filter_map(|version| match version.key {
                Key::Order(order) => Some(order),
                Key::User(_) => None,
            }));
            Ok([(Asked::List(user), versions)])
        });
        self.find_these(orders);
    }

    fn find_these(&mut self, orders: Vec<u16>) {
        self.tell(|hand, reading| {
            let ids: Vec<_> = orders.iter().map(|order| order_id(*order)).collect();
            let rows = Order::repository(hand.larder).reading(reading).find_many(&ids)?;
            let asked = Asked::Rows(orders.into_iter().map(Key::Order).collect());
            Ok([(asked, rows.iter().flatten().map(version_of_order).collect())])
        });
    }

    fn list_orders(&mut self) {
        let user = self.user();
        self.tell(|hand, reading| hand.orders_of(user, reading));
    }

    fn find_user(&mut self) {
        let user = self.user();
        self.tell(|hand, reading| hand.row_of_user(user, reading));
    }

    fn find_by_email(&mut self) {
        let (user, which) = (self.user(), self.random.u16(..ADDRESSES));
        self.tell(|hand, reading| hand.user_at(user, which, reading));
    }

    fn find_user_with_orders(&mut self) {
        let user = self.user();
        self.tell(|hand, reading| {
            let found = User::repository(hand.larder).reading(reading).with(User::orders()).find(user_id(user))?;
            let row = found.iter().map(|(row, _)| version_of_user(row)).collect();
            let orders = found.iter().flat_map(|(_, orders)| orders).map(version_of_order).collect();
            Ok([(Asked::Rows(vec![Key::User(user)]), row), (Asked::List(user), orders)])
        });
    }

    /// Reads from near, where rows are kept there, and now and then from the store all the same.
    fn tell<const N: usize>(&mut self, work: impl FnOnce(&Self, Consistency) -> Result<[Answer; N], Error>) {
        let from = if self.is_near && self.random.u8(..5) > 0 { Layer::Near } else { Layer::Shared };
        self.tell_from(from, work);
    }

    fn tell_from<const N: usize>(
        &mut self,
        from: Layer,
        work: impl FnOnce(&Self, Consistency) -> Result<[Answer; N], Error>,
    ) {
        let reading = match from {
            Layer::Near => Consistency::Near,
            Layer::Shared => Consistency::Shared,
            Layer::Database => Consistency::Database,
        };
        let (n_statements_before, n_looks_before) = (n_statements(), n_looks());
        let began: Moment = now();
        match work(self, reading) {
            Ok(answers) => {
                let to = match (n_statements() - n_statements_before, n_looks() - n_looks_before) {
                    (0, 0) if self.is_near => Layer::Near,
                    (0, _) => Layer::Shared,
                    _ => Layer::Database,
                };
                for (asked, found) in answers {
                    self.recorder.read(began, asked, found, Layers { from, to });
                }
            }
            Err(error) => self.recorder.read_failed(began, from, &error),
        }
    }

    /// Reads everything there is, when nobody writes any more: first what is near, and then what the store has.
    pub(super) fn look_at_all(mut self) {
        self.recorder.quiet();
        let layers = if self.is_near { &[Layer::Near, Layer::Shared][..] } else { &[Layer::Shared] };
        for &from in layers {
            for order in 0..ORDERS {
                self.tell_from(from, |hand, reading| hand.row_of_order(order, reading));
            }
            for user in 0..USERS {
                self.tell_from(from, |hand, reading| hand.row_of_user(user, reading));
                self.tell_from(from, |hand, reading| hand.orders_of(user, reading));
                for which in 0..ADDRESSES {
                    self.tell_from(from, |hand, reading| hand.user_at(user, which, reading));
                }
            }
        }
        self.recorder.flush();
    }

    fn row_of_order(&self, order: u16, reading: Consistency) -> Result<[Answer; 1], Error> {
        let row = Order::repository(self.larder).reading(reading).find(order_id(order))?;
        Ok([(Asked::Rows(vec![Key::Order(order)]), row.iter().map(version_of_order).collect())])
    }

    fn row_of_user(&self, user: u16, reading: Consistency) -> Result<[Answer; 1], Error> {
        let row = User::repository(self.larder).reading(reading).find(user_id(user))?;
        Ok([(Asked::Rows(vec![Key::User(user)]), row.iter().map(version_of_user).collect())])
    }

    fn orders_of(&self, user: u16, reading: Consistency) -> Result<[Answer; 1], Error> {
        let rows = Order::repository(self.larder).reading(reading).list_by_user_id(user_id(user)).load()?;
        Ok([(Asked::List(user), rows.iter().map(version_of_order).collect())])
    }

    fn user_at(&self, user: u16, which: u16, reading: Consistency) -> Result<[Answer; 1], Error> {
        let row = User::repository(self.larder).reading(reading).find_by_email(address(user, which))?;
        Ok([(Asked::Address(user, which), row.iter().map(version_of_user).collect())])
    }
}
