//! Things to try on the page, with `--demo`: some users to read and write, and an UPDATE as psql would send it.

use std::{error::Error, sync::Arc, time::Instant};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use bigdecimal::BigDecimal;
use diesel::{PgConnection, prelude::*};
use serde::{Deserialize, Serialize};
use shop_core::{NewOrder, NewOrderItem, NewUser, Order, OrderItem, Status, User, schema::users};
use tokio::{sync::Mutex, task};
use uuid::Uuid;

use crate::{app::App, body::Body, problem::Problem};

/// How many users there are to try things with, and what their addresses look like.
const N_USERS: usize = 20;
const ADDRESSES: &str = "demo-%@shop.example";

/// What the routes share.
pub(crate) struct Demo {
    database_url: String,
    /// One UPDATE at a time, since each makes a connection of its own.
    turn: Arc<Mutex<()>>,
}

impl Demo {
    pub(crate) fn new(database_url: &str) -> Self {
        Self { database_url: database_url.to_owned(), turn: Arc::default() }
    }
}

/// The routes. Each wants a body of JSON, so that no page of another origin can send it without being asked first.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/demo/users", post(people)).route("/demo/update", post(update))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
struct Person {
    id: Uuid,
    email: String,
}

/// Those to try things with: they are made where they are missing, each with an order.
async fn people(State(app): State<App>, Body(Nothing {}): Body<Nothing>) -> Result<Json<Vec<Person>>, Problem> {
    let done = app.larder.transaction(|tx| {
        let mut all = User::repository(tx)
            .query(|query| query.filter(users::email.like(ADDRESSES)).order(users::id).limit(N_USERS as i64))?;
        let missing: Vec<NewUser> =
            (all.len()..N_USERS).map(|_| NewUser { id: None, email: address(), created_at: None }).collect();
        let made = User::repository(tx).insert_many(&missing)?;
        let order = |user: &User| NewOrder {
            id: None,
            user_id: user.id,
            status: Status::Pending,
            total_amount: BigDecimal::from(22),
            created_at: None,
        };
        let orders = Order::repository(tx).insert_many(&made.iter().map(order).collect::<Vec<_>>())?;
        let item = |order: &Order| NewOrderItem {
            order_id: order.id,
            line_number: 1,
            sku: "cd".to_owned(),
            quantity: 2,
            unit_price: BigDecimal::from(11),
        };
        OrderItem::repository(tx).insert_many(&orders.iter().map(item).collect::<Vec<_>>())?;
        all.extend(made);
        all.sort_unstable_by_key(|user| user.id);
        Ok(all)
    });
    let all = done.await?;
    Ok(Json(all.into_iter().map(|User { id, email, .. }| Person { id, email }).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    id: Uuid,
}

#[derive(Serialize)]
struct Updated {
    email: String,
    /// From the sending of the UPDATE until the answer to its COMMIT.
    took_ms: f64,
}

/// Changes the address of one of them by a connection that larder knows nothing of. Returns when it is committed.
async fn update(State(app): State<App>, Body(Whom { id }): Body<Whom>) -> Result<Json<Updated>, Problem> {
    let demo = app.demo.clone().ok_or_else(|| Problem::new(StatusCode::NOT_FOUND))?;
    let done = async {
        let turn = Arc::clone(&demo.turn).lock_owned().await;
        let url = demo.database_url.clone();
        task::spawn_blocking(move || {
            // Held until it is done, whether somebody still waits for it or not.
            let _turn = turn;
            typed(&url, id)
        })
        .await
    };
    let done = tokio::time::timeout(app.time_out, done).await.map_err(|_| Problem::timed_out())?;
    match done {
        Ok(Ok(Some(updated))) => Ok(Json(updated)),
        Ok(Ok(None)) => Err(Problem::not_found("user of the demonstration")),
        Ok(Err(error)) => {
            tracing::error!(error = &*error, "an UPDATE past larder failed");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE))
        }
        Err(error) => {
            tracing::error!(%error, "an UPDATE past larder panicked");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

fn typed(url: &str, id: Uuid) -> Result<Option<Updated>, Box<dyn Error + Send + Sync>> {
    let mut psql = PgConnection::establish(url)?;
    let whom = users::table.filter(users::id.eq(id)).filter(users::email.like(ADDRESSES));
    let begun = Instant::now();
    let email = diesel::update(whom).set(users::email.eq(address())).returning(users::email);
    let email: Option<String> = email.get_result(&mut psql).optional()?;
    Ok(email.map(|email| Updated { email, took_ms: begun.elapsed().as_secs_f64() * 1e3 }))
}

fn address() -> String {
    ADDRESSES.replace('%', &Uuid::new_v4().simple().to_string()[..8])
}
