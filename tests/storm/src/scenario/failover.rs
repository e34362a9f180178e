//! A second Redis takes over, and lacks what the first one had last.

use std::time::Duration;

use redis::Client;
use servers::Redis;
use tests::Proxy;

use super::{Bound, Failing, Scenario, Setting, Storm, redis::command};
use crate::{Result, arena::redis_options, pace::wait_until};

pub(super) const FAILOVER: Scenario = Scenario {
    name: "redis-failover",
    breaks: "Redis is killed, and a replica takes over that had heard nothing of it for a while; some workers are killed with it",
    bound: Bound::Never,
    failing: Failing::Writes,
    setting: Setting::PROXIED,
    every: 1_200..2_400,
    faults: &[fail_over],
};

/// How long a replica may take to get what its master has.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis that copies another one, through a proxy that can hold back what it hears.
#[derive(Debug)]
pub(crate) struct Replica {
    server: Redis,
    link: Proxy,
}

impl Replica {
    fn of(master: &Redis) -> Result<Self> {
        Ok(Self { server: Redis::start(redis_options(&Setting::PLAIN))?, link: Proxy::to(&master.url()) })
    }

    fn connection(&self) -> Result<redis::Connection> {
        Ok(Client::open(self.server.url())?.get_connection_with_timeout(Duration::from_secs(5))?)
    }

    /// Copies that server from now on, and waits until it has what that one has.
    fn follow(&mut self, master: &Redis) -> Result<()> {
        self.link.lead_to(&master.url());
        let mut connection = self.connection()?;
        command(&mut connection, &["REPLICAOF", "127.0.0.1", &self.link.port().to_string()])?;
        let mut is_up = || {
            let info = redis::cmd("INFO").arg("replication").query::<String>(&mut connection);
            info.is_ok_and(|info| info.contains("master_link_status:up"))
        };
        if wait_until(PATIENCE, &mut is_up) { Ok(()) } else { Err("the replica does not catch up".into()) }
    }
}

/// Lets a replica follow, lag and take over; the one that was killed is the next replica.
pub(super) fn fail_over(storm: &mut Storm) -> Result<bool> {
    let mut replica = match storm.replica.take() {
        Some(mut replica) => {
            replica.server.restart()?;
            replica
        }
        None => Replica::of(&storm.arena.redis)?,
    };
    replica.follow(&storm.arena.redis)?;
    storm.wait(0..300);
    replica.link.hold();
    storm.wait(0..700);
    storm.stretch_commit();
    storm.arena.redis.kill()?;
    replica.link.cut(|| true);
    replica.link.release();
    command(&mut replica.connection()?, &["REPLICAOF", "NO", "ONE"])?;
    let proxies = storm.proxies()?;
    proxies.redis.lead_to(&replica.server.url());
    proxies.redis.cut(|| true);
    std::mem::swap(&mut storm.arena.redis, &mut replica.server);
    storm.replica = Some(replica);
    storm.perhaps_kill_a_worker()?;
    Ok(true)
}
