//! Orders.

use std::num::NonZeroU16;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use bigdecimal::BigDecimal;
use diesel::prelude::*;
use larder::{Cursor, Page};
use larder_http::BuiltFrom;
use serde::Deserialize;
use shop_core::{NewOrder, NewOrderItem, Order, OrderChanges, OrderItem, Status, User, schema::orders};
use uuid::Uuid;

use super::users::WithItems;
use crate::{
    accounts::Signed,
    app::App,
    body::{self, Asked, Body, Id, Object},
    edge::If,
    kept,
    problem::Problem,
    request::Client,
};

/// The most lines of an order, and the most of one line. With the highest price they come to less than the database's most, so that
/// no order whose parts are right is too large as a whole.
const MOST_LINES: usize = 100;
const MOST_PIECES: i32 = 100;

/// The most orders of a page.
const MOST_ORDERS: u16 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    user_id: Uuid,
    items: Vec<Object<Line>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sku: String,
    #[serde(deserialize_with = "body::whole")]
    quantity: i32,
    unit_price: String,
}

impl New {
    /// The prices of one piece, line by line, and what the order comes to.
    fn prices(&self) -> Result<(Vec<BigDecimal>, BigDecimal), Problem> {
        if !(1..=MOST_LINES).contains(&self.items.len()) {
            return Err(Problem::invalid("/items", format!("an order has 1 to {MOST_LINES} lines")));
        }
        let mut prices = Vec::with_capacity(self.items.len());
        let mut total = BigDecimal::from(0);
        for (at, Object(line)) in self.items.iter().enumerate() {
            body::sku(&line.sku, &format!("/items/{at}/sku"))?;
            let price = body::price(&line.unit_price, &format!("/items/{at}/unit_price"))?;
            if !(1..=MOST_PIECES).contains(&line.quantity) {
                return Err(Problem::invalid(&format!("/items/{at}/quantity"), format!("from 1 to {MOST_PIECES}")));
            }
            total += &price * BigDecimal::from(line.quantity);
            prices.push(price);
        }
        Ok((prices, total))
    }
}

pub(super) async fn create(
    State(app): State<App>,
    Client(larder): Client,
    Body(new): Body<New>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<WithItems>), Problem> {
    let (prices, total_amount) = new.prices()?;
    let placed = larder.transaction(move |tx| {
        if !User::repository(tx).exists(new.user_id)? {
            return Err(Problem::refers().detail("no user has this id").pointer("/user_id").into());
        }
        let order =
            NewOrder { id: None, user_id: new.user_id, status: Status::Pending, total_amount, created_at: None };
        let order = Order::repository(tx).insert(&order)?;
        let line = |((line_number, unit_price), Object(Line { sku, quantity, .. }))| NewOrderItem {
            order_id: order.id,
            line_number,
            sku,
            quantity,
            unit_price,
        };
        let items: Vec<NewOrderItem> = (1..).zip(prices).zip(new.items).map(line).collect();
        let items = OrderItem::repository(tx).insert_many(&items)?;
        Ok(WithItems { order, items })
    });
    let placed = placed.await?;
    app.events.announce(&placed.order);
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/orders/{}", placed.order.id))], Json(placed)))
}

pub(super) async fn show(Client(larder): Client, Id(id): Id) -> Result<Json<WithItems>, Problem> {
    let found =
        larder.read::<_, larder::Error>(move |larder| Order::repository(larder).with(Order::items()).find(id)).await?;
    let (order, items): (Order, Vec<OrderItem>) = found.ok_or_else(|| Problem::not_found("order"))?;
    Ok(Json(WithItems { order, items }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    status: Status,
}

pub(super) async fn change(
    Client(larder): Client,
    State(app): State<App>,
    Id(id): Id,
    condition: If,
    Body(Step { status }): Body<Step>,
) -> Result<Json<Order>, Problem> {
    let session = app.larder.session().clone();
    let changed = larder.transaction(move |tx| {
        condition.holds_for_order(tx, &session, id)?;
        let all = Order::repository(tx);
        let changes = OrderChanges { status: Some(status), ..OrderChanges::default() };
        // Where it comes from is part of the condition: of two that take the same step one does.
        let before = Status::ALL.iter().copied().take_while(|before| *before != status).last();
        let changed = match before {
            Some(before) => all.update_where(orders::id.eq(id).and(orders::status.eq(before)), &changes)?,
            None => Vec::new(),
        };
        match changed.into_iter().next() {
            Some(order) => Ok(order),
            None => match all.find(id)? {
                None => Err(Problem::not_found("order").into()),
                Some(Order { status: now, .. }) => {
                    let problem = Problem::of(StatusCode::CONFLICT, "step", "The order can't take this step");
                    Err(problem.detail(format!("it is {now}; orders go from pending to paid to shipped")).into())
                }
            },
        }
    });
    let changed = changed.await?;
    app.events.announce(&changed);
    Ok(Json(changed))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    status: Option<Status>,
    limit: Option<NonZeroU16>,
    after: Option<Cursor>,
}

pub(super) async fn of_user(
    Client(larder): Client,
    Id(id): Id,
    Asked(Wanted { status, limit, after }): Asked<Wanted>,
) -> Result<Json<Page<Order>>, Problem> {
    let n = usize::from(body::limit(limit, 20, MOST_ORDERS)?);
    let page = larder
        .read::<_, larder::Error>(move |larder| {
            if !User::repository(larder).exists(id)? {
                return Err(Problem::not_found("user").into());
            }
            let orders = Order::repository(larder);
            match status {
                Some(status) => orders.list_by_user_id_and_status(id, status).after(after.as_ref()).page(n),
                None => orders.list_by_user_id(id).after(after.as_ref()).page(n),
            }
        })
        .await?;
    Ok(Json(page))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mine {
    limit: Option<NonZeroU16>,
    after: Option<Cursor>,
}

/// The orders of whoever is signed in.
pub(super) async fn mine(
    Client(larder): Client,
    signed: Signed,
    Asked(Mine { limit, after }): Asked<Mine>,
) -> Result<(Extension<BuiltFrom>, Json<Page<Order>>), Problem> {
    let n = usize::from(body::limit(limit, 20, MOST_ORDERS)?);
    let page = larder
        .read::<_, larder::Error>(move |larder| {
            Order::repository(larder).list_by_user_id(signed.user).after(after.as_ref()).page(n)
        })
        .await?;
    Ok((Extension(kept::built_from(larder.session())), Json(page)))
}
