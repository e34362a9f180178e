//! A web service on larder, to copy from: an async front over the sync core, with errors as problem details, and every response saying
//! where it came from.
//!
//! `cargo xtask services -- cargo run -p shop`

mod app;
mod body;
mod demo;
mod edge;
mod live;
mod options;
mod outside;
mod page;
mod problem;
mod request;
mod routes;

pub use self::{
    app::App,
    options::{Caches, HELP, Options, Request, UsageError, parse},
    problem::Problem,
    routes::router,
};
