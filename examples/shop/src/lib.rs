//! A web service on larder, to copy from: an async front over the sync core, with errors as problem details, and every response saying
//! where it came from.
//!
//! `cargo xtask services -- cargo run -p shop`

mod access;
mod accounts;
mod app;
mod body;
mod demo;
mod edge;
mod ending;
mod events;
mod kept;
mod limits;
mod listen;
mod live;
mod options;
mod outside;
mod page;
mod problem;
mod request;
mod routes;
mod visits;

pub use self::{
    accounts::AccountOptions,
    app::App,
    ending::{Ending, EndingOptions},
    events::EventsOptions,
    limits::{ForwardedBy, LimitOptions},
    listen::listen,
    options::{Caches, HELP, Options, Request, UsageError, parse},
    problem::Problem,
    routes::router,
};
