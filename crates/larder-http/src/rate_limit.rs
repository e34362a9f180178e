mod decision;
mod fields;
mod layer;

use std::future::Future;

pub use self::{
    decision::{Quota, RateDecision},
    layer::{RateLimit, RateLimitLayer},
};

/// Counts what clients ask for, and decides what is too much.
///
/// That it counts exactly, and for all processes together, is its part: the layer asks once for each request, and goes by the answer. `larder-redis`
/// has one (feature `http`).
pub trait Limiter: Send + Sync + 'static {
    /// What is to be taken: so much of one limit, for one key.
    type Charge: Send + 'static;

    /// Takes what every charge wants; if there is too little of one of them, takes nothing.
    ///
    /// It never fails: whoever can't count, because what it counts by is away, decides by what it was told for that, and gives no
    /// quotas. It must not hold up the thread that drives the task.
    fn check(&self, charges: Vec<Self::Charge>) -> impl Future<Output = RateDecision> + Send;
}

#[cfg(test)]
mod tests;
