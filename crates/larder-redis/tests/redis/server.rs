use std::{
    env,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use larder::store::Nonce;
use larder_redis::{RedisStore, RedisStoreBuilder};
use servers::{Redis, RedisOptions};

use crate::eventually::eventually;

/// A Redis server: a private one, which goes away with the value, or that of `REDIS_URL`, which does not.
pub(crate) struct Server {
    url: String,
    process: Option<Redis>,
}

impl Server {
    /// The server of `REDIS_URL`; if that is not set, a private one that tests share as long as one of them runs.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(match env::var("REDIS_URL") {
                Ok(url) => Self { url, process: None },
                Err(_) => Self::private(&[]),
            });
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server for one test alone, with settings as in `redis.conf`.
    pub(crate) fn private(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let process = Redis::start(RedisOptions { settings, ..RedisOptions::default() }).unwrap();
        Self { url: process.url(), process: Some(process) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.process().port()
    }

    /// The settings of a store on this server in a namespace of its own, without quarantine.
    pub(crate) fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(&self.url).namespace(namespace()).quarantine(Duration::ZERO)
    }

    /// As [`builder`](Self::builder), for what is not about time-outs: a busy machine is waited for.
    pub(crate) fn patient(&self) -> RedisStoreBuilder {
        self.builder().io_timeout(Duration::from_secs(20)).connect_timeout(Duration::from_secs(20))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn store(&self) -> RedisStore {
        self.builder().build().unwrap()
    }

    /// A connection that knows no protocol of ours.
    pub(crate) fn raw(&self) -> redis::Connection {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        client.get_connection_with_timeout(Duration::from_secs(30)).unwrap()
    }

    /// What its clock shows, in microseconds.
    pub(crate) fn now(&self) -> u64 {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query(&mut self.raw()).unwrap();
        seconds * 1_000_000 + micros
    }

    /// All keys in a namespace.
    pub(crate) fn keys(&self, namespace: &str) -> Vec<String> {
        redis::cmd("KEYS").arg(format!("{namespace}*")).query(&mut self.raw()).unwrap()
    }

    /// How many connections wait in it for something to come.
    pub(crate) fn n_blocked(&self) -> usize {
        let info: String = redis::cmd("INFO").arg("clients").query(&mut self.raw()).unwrap();
        info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap().trim().parse().unwrap()
    }

    /// Ends all connections that stores have made.
    pub(crate) fn end_connections(&self) {
        let mut command = redis::cmd("CLIENT");
        command.arg("KILL").arg("SKIPME").arg("yes").exec(&mut self.raw()).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.process.as_mut().expect("only a private server").kill().unwrap();
    }

    /// Starts it again on its port, with what it had saved.
    pub(crate) fn restart(&mut self) {
        self.process.as_mut().expect("only a private server").restart().unwrap();
    }

    /// Makes it keep its sockets and answer nothing.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        self.process().pause().unwrap();
        Frozen(self)
    }

    fn process(&self) -> &Redis {
        self.process.as_ref().expect("only of a private server")
    }
}

/// A server that answers again when this goes away.
pub(crate) struct Frozen<'a>(&'a Server);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.process().resume().unwrap();
    }
}

/// A namespace that nobody has had before: the server may be shared, and may outlive the tests.
pub(crate) fn namespace() -> String {
    format!("test-{:?}:", Nonce::fresh())
}

/// A server that gives a replica what it has at once, and not after some seconds in which others might come.
pub(crate) fn server_with_replicas() -> Server {
    Server::private(&[("repl-diskless-sync-delay", "0")])
}

pub(crate) fn replica_of(master: &Server) -> Server {
    let replica = server_with_replicas();
    demote(&replica, master);
    replica
}

pub(crate) fn demote(server: &Server, master: &Server) {
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(master.port()).exec(&mut server.raw()).unwrap();
}

pub(crate) fn promote(server: &Server) {
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut server.raw()).unwrap();
}

/// Waits until a replica has all that its master has.
pub(crate) fn wait_for_sync(replica: &Server) {
    let mut raw = replica.raw();
    eventually("the replica has all that the master has", || {
        let info: String = redis::cmd("INFO").arg("replication").query(&mut raw).unwrap();
        info.contains("master_link_status:up") && !info.contains("master_sync_in_progress:1")
    });
}
