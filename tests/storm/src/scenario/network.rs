//! The network between workers and servers is broken.

use std::time::Duration;

use tests::{Proxy, Side};

use super::{Bound, Failing, Scenario, Setting, Storm};
use crate::Result;

pub(super) const SLOW: Scenario = Scenario {
    name: "network-slow",
    breaks: "each message is late by up to 20 ms, and at times none arrives for up to a second",
    bound: Bound::Never,
    failing: Failing::Any,
    setting: Setting::PROXIED,
    every: 50..500,
    faults: &[slow_down],
};

pub(super) const CUT: Scenario = Scenario {
    name: "network-cut",
    breaks: "connections to PostgreSQL and Redis are cut, with what is under way",
    bound: Bound::Never,
    failing: Failing::Any,
    setting: Setting::PROXIED,
    every: 5..200,
    faults: &[cut],
};

pub(super) const HALF_CLOSED: Scenario = Scenario {
    name: "network-half-closed",
    breaks: "one direction of connections to PostgreSQL and Redis ends, and the other goes on",
    bound: Bound::Never,
    failing: Failing::Any,
    setting: Setting::PROXIED,
    every: 5..200,
    faults: &[half_close],
};

pub(super) fn slow_down(storm: &mut Storm) -> Result<bool> {
    let late = Duration::from_millis(storm.dice.u64(1..20));
    each(storm, |proxy, _| proxy.delay(late))?;
    storm.wait(100..1_000);
    each(storm, |proxy, _| proxy.hold())?;
    storm.wait(20..1_000);
    // Whichever it was.
    let proxies = storm.proxies()?;
    for proxy in [&proxies.postgres, &proxies.redis] {
        proxy.delay(Duration::ZERO);
        proxy.release();
    }
    Ok(true)
}

pub(super) fn cut(storm: &mut Storm) -> Result<bool> {
    let mut n_cut = 0;
    each(storm, |proxy, dice| n_cut += proxy.cut(|| dice.u8(..3) == 0))?;
    Ok(n_cut > 0)
}

pub(super) fn half_close(storm: &mut Storm) -> Result<bool> {
    let mut n_closed = 0;
    each(storm, |proxy, dice| {
        let side = if dice.bool() { Side::Client } else { Side::Server };
        n_closed += proxy.half_close(side, || dice.u8(..3) == 0);
    })?;
    Ok(n_closed > 0)
}

/// Does it to the way to PostgreSQL, to Redis, or to both.
fn each(storm: &mut Storm, mut work: impl FnMut(&Proxy, &mut fastrand::Rng)) -> Result<()> {
    let mut dice = storm.dice.fork();
    let (to_postgres, to_redis) = [(true, true), (true, false), (false, true)][dice.usize(..3)];
    let proxies = storm.proxies()?;
    if to_postgres {
        work(&proxies.postgres, &mut dice);
    }
    if to_redis {
        work(&proxies.redis, &mut dice);
    }
    Ok(())
}
