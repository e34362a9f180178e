//! A web service on larder, to copy from: an async front over the sync core, with errors as problem details, and every response saying
//! where it came from.
//!
//! `cargo xtask services -- cargo run -p shop`

mod access;
mod app;
mod body;
mod edge;
mod ending;
mod events;
mod options;
mod problem;
mod request;
mod routes;
mod visits;

pub use self::{
    app::App,
    ending::{Ending, EndingOptions},
    events::EventsOptions,
    options::{Caches, HELP, Options, Request, UsageError, parse},
    problem::Problem,
    routes::router,
};
