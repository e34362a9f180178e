//! The same tables once more, with views that are stored whole.

use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use larder::{Repository, View};
use shop_core::{
    Status,
    schema::{order_items, orders, users},
};
use uuid::Uuid;

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
#[larder(name = "tree_users", has_many(orders: Bought, foreign_key = user_id, on_delete = cascade), in_view(UserPage, UserTree))]
pub(crate) struct Buyer {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
#[larder(name = "tree_orders", index(user_id), has_many(items: Line, foreign_key = order_id, on_delete = cascade), in_view(UserPage, UserTree))]
pub(crate) struct Bought {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) status: Status,
    pub(crate) total_amount: BigDecimal,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = order_items, primary_key(order_id, line_number), check_for_backend(diesel::pg::Pg))]
#[larder(name = "tree_items", index(order_id), in_view(UserTree))]
pub(crate) struct Line {
    pub(crate) order_id: Uuid,
    pub(crate) line_number: i32,
    pub(crate) sku: String,
    pub(crate) quantity: i32,
    pub(crate) unit_price: BigDecimal,
}

#[derive(Debug, Clone, View)]
#[larder(of = Buyer, cached)]
pub(crate) struct UserPage {
    id: Uuid,
    email: String,
    created_at: DateTime<Utc>,
    #[larder(with = orders)]
    orders: Vec<Bought>,
}

#[derive(Debug, Clone, View)]
#[larder(of = Buyer, cached)]
pub(crate) struct UserTree {
    id: Uuid,
    email: String,
    created_at: DateTime<Utc>,
    #[larder(with = orders)]
    orders: Vec<OrderTree>,
}

#[derive(Debug, Clone, View)]
#[larder(of = Bought, packed)]
pub(crate) struct OrderTree {
    id: Uuid,
    user_id: Uuid,
    status: Status,
    total_amount: BigDecimal,
    created_at: DateTime<Utc>,
    #[larder(with = items)]
    items: Vec<Line>,
}
