//! What caches in front of the service may keep, what they know it by, and how they are told to drop it.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request},
    http::{HeaderValue, StatusCode, Uri, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use diesel::{pg::Pg, prelude::*};
use larder::{Dependencies, Larder, Scope, Tx, store::CellKey};
use larder_http::{
    CacheControl, CacheControlLayer, ConditionalLayer, Precondition, Purger, PurgerOptions, RowVersions, TagHeader,
    TagsLayer, Varnish, VarnishTags, cell_tag, trail_tags,
};
use shop_core::{Order, OrderItem, User, UserStats, schema};
use tower::ServiceBuilder;
use uuid::Uuid;

use crate::{app::App, problem::Problem, request::Client};

/// For how long an edge keeps what it is told to drop, should it not be told.
const UNTOLD: Duration = Duration::from_secs(60);

/// An answer is under way to the edge, or built of copies that are near, for less than this: then it is purged once more.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Starts to tell each edge what to drop, on the runtime that this is called from.
pub(crate) fn purgers(edges: &[Uri]) -> Vec<Purger> {
    let options = PurgerOptions { again_after: Some(UNDER_WAY), ..PurgerOptions::default() };
    // Each by itself: one that is away keeps nothing from the others.
    edges.iter().map(|edge| Purger::start(Varnish::new([edge.clone()], VarnishTags::Xkey), options.clone())).collect()
}

/// What the edges are told of the cells that a write has changed.
pub(crate) fn tell(purgers: &[Purger], cells: &[&CellKey]) {
    for purger in purgers {
        purger.purge(cells.iter().map(|cell| cell_tag(cell)));
    }
}

/// What answers to the requests for a path are made of.
pub(crate) type Of = fn(&Uri, &Scope<Pg>) -> larder::Result<Option<Dependencies<Pg>>>;

/// The route with entity tags of `of`; edges keep its answers until something of that is written.
pub(crate) fn shared(app: &App, of: Of, route: MethodRouter<App>) -> MethodRouter<App> {
    let value = CacheControl::public().max_age(Duration::ZERO).s_maxage(UNTOLD);
    let tags = ServiceBuilder::new()
        .layer(TagsLayer::new(TagHeader::xkey()))
        .layer(middleware::from_fn_with_state(app.clone(), tag));
    tagged(app, of, value, route.layer(tags))
}

/// The route with entity tags of `of`, whose answers are for the client alone, who asks each time whether they are still so.
pub(crate) fn private(app: &App, of: Of, route: MethodRouter<App>) -> MethodRouter<App> {
    tagged(app, of, CacheControl::private().no_cache(), route)
}

fn tagged(app: &App, of: Of, value: CacheControl, route: MethodRouter<App>) -> MethodRouter<App> {
    let versions = RowVersions::new(app.larder.clone(), of);
    // The outermost first.
    let layers = ServiceBuilder::new()
        .layer(CacheControlLayer::new(value))
        .map_response(explain)
        .layer(ConditionalLayer::new(versions).handlers_check(true));
    route.layer(layers)
}

/// Tags an answer by what was read for it.
async fn tag(client: Client, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let mut response = next.run(request).await;
    if begun.elapsed() > UNDER_WAY / 2 {
        // Both purges of a write that came meanwhile may have been told already.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    } else if response.status() == StatusCode::OK {
        response.extensions_mut().insert(trail_tags(&client.0.session().trail()));
    }
    response
}

/// Says what was wrong where only the status does.
fn explain(response: Response<larder_http::Body<Body>>) -> Response {
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE);
    match response.status() {
        StatusCode::PRECONDITION_FAILED if is_bare => Problem::changed().into_response(),
        _ => response.map(Body::new),
    }
}

/// What a write was sent under, if anything.
pub(crate) struct If(Option<Precondition>);

impl<S: Sync> FromRequestParts<S> for If {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.remove()))
    }
}

impl If {
    /// Locks the user, and checks that nothing of it was changed.
    pub(crate) fn holds_for_user(&self, tx: &Tx<Pg>, larder: &Larder<Pg>, id: Uuid) -> larder::Result<()> {
        use schema::users::dsl;
        self.holds(tx, larder, &of_user_row(id), |connection| {
            dsl::users.find(id).select(dsl::id).for_no_key_update().first(connection).optional()
        })
    }

    /// Locks the order, and checks that nothing of it was changed.
    pub(crate) fn holds_for_order(&self, tx: &Tx<Pg>, larder: &Larder<Pg>, id: Uuid) -> larder::Result<()> {
        use schema::orders::dsl;
        self.holds(tx, larder, &of_order_row(id), |connection| {
            dsl::orders.find(id).select(dsl::id).for_no_key_update().first(connection).optional()
        })
    }

    fn holds(
        &self,
        tx: &Tx<Pg>,
        larder: &Larder<Pg>,
        of: &Dependencies<Pg>,
        lock: impl FnOnce(&mut PgConnection) -> QueryResult<Option<Uuid>>,
    ) -> larder::Result<()> {
        let Some(precondition) = &self.0 else { return Ok(()) };
        // From here on nobody else changes it: what the store tells now is what this changes.
        let exists = tx.run(lock)?.is_some();
        precondition.check_rows(larder, of, exists).map_err(|_| match exists && larder.version(of).is_none() {
            true => Problem::unavailable("nobody can tell its version now").into(),
            false => Problem::changed().into(),
        })
    }
}

fn of_user_row(id: Uuid) -> Dependencies<Pg> {
    Dependencies::new().row::<User>(id)
}

fn of_order_row(id: Uuid) -> Dependencies<Pg> {
    Dependencies::new().row::<Order>(id).key(OrderItem::key_by_order_id(id))
}

/// `/users/{id}`, with its orders and their items if they are asked for.
pub(crate) fn of_user(uri: &Uri, scope: &Scope<Pg>) -> larder::Result<Option<Dependencies<Pg>>> {
    let Some(id) = id(uri, 1) else { return Ok(None) };
    let of = of_user_row(id);
    Ok(match uri.query().unwrap_or_default() {
        "" => Some(of),
        "include=orders" => Some(of.key(Order::key_by_user_id(id))),
        "include=orders.items" => {
            let orders = Order::repository(scope).list_by_user_id(id).load()?;
            let items = orders.iter().map(|order| OrderItem::key_by_order_id(order.id));
            Some(items.fold(of.key(Order::key_by_user_id(id)), Dependencies::key))
        }
        _ => None,
    })
}

/// `/users?email=`.
pub(crate) fn of_address(uri: &Uri, _: &Scope<Pg>) -> larder::Result<Option<Dependencies<Pg>>> {
    let pairs = uri.query().map(|query| form_urlencoded::parse(query.as_bytes()));
    let mut pairs = pairs.into_iter().flatten();
    Ok(match (pairs.next(), pairs.next()) {
        (Some((name, email)), None) if name == "email" => {
            Some(Dependencies::new().key(User::key_by_email(email.into_owned())))
        }
        _ => None,
    })
}

/// `/users/{id}/orders`, whichever of them.
pub(crate) fn of_orders(uri: &Uri, _: &Scope<Pg>) -> larder::Result<Option<Dependencies<Pg>>> {
    Ok(id(uri, 1).map(|id| of_user_row(id).key(Order::key_by_user_id(id))))
}

/// `/orders/{id}`.
pub(crate) fn of_order(uri: &Uri, _: &Scope<Pg>) -> larder::Result<Option<Dependencies<Pg>>> {
    Ok(id(uri, 1).map(of_order_row))
}

/// `/stats/users/{id}`.
pub(crate) fn of_stats(uri: &Uri, _: &Scope<Pg>) -> larder::Result<Option<Dependencies<Pg>>> {
    Ok(id(uri, 2).map(|id| of_user_row(id).row::<UserStats>(id)))
}

/// The id that is that part of the path.
fn id(uri: &Uri, part: usize) -> Option<Uuid> {
    uri.path().split('/').nth(part + 1)?.parse().ok()
}
