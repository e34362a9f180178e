use larder::Error;
use shop_core::{Order, User};

use super::Hand;
use crate::{
    clock::{Moment, now},
    record::{Asked, Key, Version},
    site::n_statements,
    world::{self, ADDRESSES, address, order_id, user_id, version_of_order, version_of_user},
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
        self.tell(|hand| {
            let row = Order::repository(hand.larder).find(order_id(order))?;
            Ok([(Asked::Rows(vec![Key::Order(order)]), row.iter().map(version_of_order).collect())])
        });
    }

    fn find_orders(&mut self) {
        let n_keys = self.random.usize(2..=8);
        let orders = self.random.choose_multiple(0..world::ORDERS, n_keys);
        self.find_these(orders);
    }

    /// Reads what the database has by now, which caches may serve nothing older than from then on.
    fn find_past_caches(&mut self) {
        let orders = self.random.choose_multiple(0..world::ORDERS, 8);
        self.tell(|hand| {
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
        self.tell(|hand| {
            let rows = Order::repository(hand.larder).list_by_user_id(user_id(user)).load()?;
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
        self.tell(|hand| {
            let ids: Vec<_> = orders.iter().map(|order| order_id(*order)).collect();
            let rows = Order::repository(hand.larder).find_many(&ids)?;
            let asked = Asked::Rows(orders.into_iter().map(Key::Order).collect());
            Ok([(asked, rows.iter().flatten().map(version_of_order).collect())])
        });
    }

    fn list_orders(&mut self) {
        let user = self.user();
        self.tell(|hand| {
            let rows = Order::repository(hand.larder).list_by_user_id(user_id(user)).load()?;
            Ok([(Asked::List(user), rows.iter().map(version_of_order).collect())])
        });
    }

    fn find_user(&mut self) {
        let user = self.user();
        self.tell(|hand| {
            let row = User::repository(hand.larder).find(user_id(user))?;
            Ok([(Asked::Rows(vec![Key::User(user)]), row.iter().map(version_of_user).collect())])
        });
    }

    fn find_by_email(&mut self) {
        let (user, which) = (self.user(), self.random.u16(..ADDRESSES));
        self.tell(|hand| {
            let row = User::repository(hand.larder).find_by_email(address(user, which))?;
            Ok([(Asked::Address(user, which), row.iter().map(version_of_user).collect())])
        });
    }

    fn find_user_with_orders(&mut self) {
        let user = self.user();
        self.tell(|hand| {
            let found = User::repository(hand.larder).with(User::orders()).find(user_id(user))?;
            let row = found.iter().map(|(row, _)| version_of_user(row)).collect();
            let orders = found.iter().flat_map(|(_, orders)| orders).map(version_of_order).collect();
            Ok([(Asked::Rows(vec![Key::User(user)]), row), (Asked::List(user), orders)])
        });
    }

    fn tell<const N: usize>(&mut self, work: impl FnOnce(&Self) -> Result<[Answer; N], Error>) {
        let (began, n_before): (Moment, _) = (now(), n_statements());
        match work(self) {
            Ok(answers) => {
                let is_hit = n_statements() == n_before;
                for (asked, found) in answers {
                    self.recorder.read(began, asked, found, is_hit);
                }
            }
            Err(_) => self.recorder.read_failed(began),
        }
    }
}
