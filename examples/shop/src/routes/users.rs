//! Users.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use shop_core::{NewUser, Order, OrderItem, User, UserChanges};

use crate::{
    accounts,
    app::App,
    body::{self, Asked, Body, Id},
    edge::If,
    limits::ClientAddress,
    problem::Problem,
    request::Client,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    email: String,
    /// Who has none does not sign in.
    password: Option<String>,
}

pub(super) async fn create(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    Client(larder): Client,
    Body(New { email, password }): Body<New>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<User>), Problem> {
    body::email(&email)?;
    let new = NewUser { id: None, email, created_at: None };
    let hash = match password {
        Some(password) => {
            accounts::check_length(&password)?;
            // A hash is the dearest thing that anybody may ask for.
            app.limits.guess(address, None).await?;
            // Before the transaction: it holds its locks for no longer than it has to.
            Some(app.accounts.hash(password).await?)
        }
        None => None,
    };
    let inserted = larder.transaction(move |tx| {
        let user = User::repository(tx).insert(&new)?;
        hash.map_or(Ok(()), |hash| accounts::set_password(tx, user.id, &hash))?;
        Ok(user)
    });
    let user = inserted.await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/users/{}", user.id))], Json(user)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByEmail {
    email: String,
}

pub(super) async fn find(
    Client(larder): Client,
    Asked(ByEmail { email }): Asked<ByEmail>,
) -> Result<Json<User>, Problem> {
    if body::email(&email).is_err() {
        return Err(Problem::not_found("user").detail("no user has this address"));
    }
    let user =
        larder.read::<_, larder::Error>(move |larder| User::repository(larder).find_by_email(email.as_str())).await?;
    user.map(Json).ok_or_else(|| Problem::not_found("user").detail("no user has this address"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Including {
    include: Option<Include>,
}

/// What comes with a user.
#[derive(Clone, Copy, Deserialize)]
enum Include {
    #[serde(rename = "orders")]
    Orders,
    #[serde(rename = "orders.items")]
    Items,
}

#[derive(Serialize)]
struct WithOrders<T> {
    #[serde(flatten)]
    user: User,
    orders: Vec<T>,
}

#[derive(Serialize)]
pub(super) struct WithItems {
    #[serde(flatten)]
    pub(super) order: Order,
    pub(super) items: Vec<OrderItem>,
}

pub(super) async fn show(
    Client(larder): Client,
    Id(id): Id,
    Asked(Including { include }): Asked<Including>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("user");
    Ok(match include {
        None => {
            let user = larder.read::<_, larder::Error>(move |larder| User::repository(larder).find(id)).await?;
            Json(user.ok_or_else(missing)?).into_response()
        }
        Some(Include::Orders) => {
            let found = larder
                .read::<_, larder::Error>(move |larder| User::repository(larder).with(User::orders()).find(id))
                .await?;
            let (user, orders): (User, Vec<Order>) = found.ok_or_else(missing)?;
            Json(WithOrders { user, orders }).into_response()
        }
        Some(Include::Items) => {
            let found = larder
                .read::<_, larder::Error>(move |larder| {
                    User::repository(larder).with(User::orders().with(Order::items())).find(id)
                })
                .await?;
            let (user, orders): (User, Vec<(Order, Vec<OrderItem>)>) = found.ok_or_else(missing)?;
            let orders = orders.into_iter().map(|(order, items)| WithItems { order, items }).collect();
            Json(WithOrders { user, orders }).into_response()
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    #[serde(default, deserialize_with = "body::named")]
    email: Option<String>,
}

pub(super) async fn change(
    Client(larder): Client,
    State(app): State<App>,
    Id(id): Id,
    condition: If,
    Body(Changes { email }): Body<Changes>,
) -> Result<Json<User>, Problem> {
    email.as_deref().map_or(Ok(()), body::email)?;
    let changes = UserChanges { email, created_at: None };
    let all = app.larder.session().clone();
    let changed = larder.transaction(move |tx| {
        condition.holds_for_user(tx, &all, id)?;
        User::repository(tx).update(id, &changes)
    });
    let changed = changed.await;
    changed.map(Json).map_err(|error| match error {
        larder::Error::NotFound { .. } => Problem::not_found("user"),
        error => error.into(),
    })
}

pub(super) async fn remove(
    Client(larder): Client,
    State(app): State<App>,
    Id(id): Id,
    condition: If,
) -> Result<StatusCode, Problem> {
    let all = app.larder.session().clone();
    let removed = larder.transaction(move |tx| {
        condition.holds_for_user(tx, &all, id)?;
        User::repository(tx).delete(id)
    });
    let removed = removed.await?;
    if removed.is_none() {
        return Err(Problem::not_found("user"));
    }
    if let Err(error) = app.accounts.end_all(id).await {
        // They are nobody's now, and `/me` says so.
        tracing::warn!(error = &error as &dyn std::error::Error, "sessions of a deleted user go on until they expire");
    }
    Ok(StatusCode::NO_CONTENT)
}
