use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use larder_redis::{RedisStore, RedisStoreBuilder};

const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis server: a private one, which goes away with the value, or that of `REDIS_URL`, which does not.
pub(crate) struct Server {
    url: String,
    process: Option<Process>,
}

struct Process {
    child: Child,
    port: u16,
    directory: PathBuf,
    settings: Vec<String>,
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

    /// A server for one test alone, with settings as in its configuration file: `["maxmemory 2mb"]`.
    pub(crate) fn private(settings: &[&str]) -> Self {
        let settings: Vec<String> = settings.iter().map(|&line| line.to_owned()).collect();
        let directory = env::temp_dir().join(unique("larder-redis-"));
        fs::create_dir_all(&directory).unwrap();
        // Somebody else may take a free port before the server does.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = spawn(port, &directory, &settings);
            let url = format!("redis://127.0.0.1:{port}");
            if answers(&url, &mut child) {
                return Self { url, process: Some(Process { child, port, directory, settings }) };
            }
        }
        panic!("redis-server does not start; its log is in {}", directory.display());
    }

    /// A server that speaks TLS on a second port.
    #[cfg(feature = "tls")]
    pub(crate) fn private_with_tls(certificate: &str, key: &str, authority: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::private(&[
            &format!("tls-port {port}"),
            &format!("tls-cert-file {certificate}"),
            &format!("tls-key-file {key}"),
            &format!("tls-ca-cert-file {authority}"),
            "tls-auth-clients no",
        ])
    }

    #[cfg(feature = "tls")]
    pub(crate) fn tls_port(&self) -> u16 {
        let settings = &self.process.as_ref().expect("only of a private server").settings;
        settings.iter().find_map(|line| line.strip_prefix("tls-port ")).expect("a TLS server").parse().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.process.as_ref().expect("only of a private server").port
    }

    /// The settings of a store on this server in a namespace of its own, without quarantine.
    pub(crate) fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(&self.url).namespace(unique("test-")).quarantine(Duration::ZERO)
    }

    pub(crate) fn store(&self) -> RedisStore {
        self.builder().build().unwrap()
    }

    /// A connection that knows no protocol of ours.
    pub(crate) fn raw(&self) -> redis::Connection {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        client.get_connection_with_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn stop(&mut self) {
        let process = self.process.as_mut().expect("only a private server");
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }

    /// Starts it again on its port, with what it had saved.
    pub(crate) fn start(&mut self) {
        let process = self.process.as_mut().expect("only a private server");
        process.child = spawn(process.port, &process.directory, &process.settings);
        assert!(answers(&self.url, &mut process.child), "the server does not start again");
    }

    /// It keeps its sockets and answers nothing.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        self.signal("-STOP");
        Frozen(self)
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("only a private server");
        let status = Command::new("kill").args([signal, &process.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Nothing can be done about an error here, and a test that fails has said why.
            let _ = process.child.kill();
            let _ = process.child.wait();
            let _ = fs::remove_dir_all(&process.directory);
        }
    }
}

/// A server that answers again when this goes away.
pub(crate) struct Frozen<'a>(&'a Server);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.signal("-CONT");
    }
}

fn spawn(port: u16, directory: &Path, settings: &[String]) -> Child {
    let file = directory.join("redis.conf");
    let own = format!("port {port}\nbind 127.0.0.1\nsave \"\"\ndir {0}\nlogfile {0}/log\n", directory.display());
    fs::write(&file, own + &settings.join("\n") + "\n").unwrap();
    let mut command = Command::new("redis-server");
    command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| {
        panic!("cannot run redis-server ({error}): install it (Debian: apt-get install redis-server), or set REDIS_URL")
    })
}

/// Waits until a server answers, or has exited.
fn answers(url: &str, child: &mut Child) -> bool {
    let client = redis::Client::open(url).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let pong = client.get_connection_with_timeout(Duration::from_millis(500)).and_then(|mut connection| {
            connection.set_read_timeout(Some(Duration::from_millis(500)))?;
            redis::cmd("PING").query::<redis::Value>(&mut connection)
        });
        match pong {
            Ok(_) => return true,
            // It wants a password, so it is there.
            Err(error) if error.code() == Some("NOAUTH") => return true,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
    false
}

/// Waits until something holds that takes its time.
pub(crate) fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn unique(prefix: &str) -> String {
    static N: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{prefix}{}-{now}-{}:", process::id(), N.fetch_add(1, Ordering::Relaxed)).replace(':', "-")
}
