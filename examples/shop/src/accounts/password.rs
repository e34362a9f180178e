use std::{sync::Arc, thread, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use larder::{Async, Error, asynchronous::Options};

use crate::problem::Problem;

/// The fewest and the most characters of a new password.
const FEWEST: usize = 8;
const MOST: usize = 128;

/// How many may wait to be hashed, and for how long: more are told to come again.
const QUEUE: usize = 64;
const WAIT: Duration = Duration::from_secs(2);

/// Hashes passwords with Argon2id, 19 MiB and two passes, on as many threads as there are processors: more would only take more memory.
#[derive(Clone)]
pub(super) struct Passwords {
    /// What nobody's password is compared with.
    nobody: Async<Arc<str>>,
}

impl Passwords {
    pub(super) fn new() -> Result<Self, Error> {
        let nobody = hash("nobody's")?.into();
        let n_processors = thread::available_parallelism().map_or(2, usize::from);
        Ok(Self { nobody: Async::of(nobody, n_processors, Options::default().queue(QUEUE).wait(WAIT)) })
    }

    pub(super) async fn hash(&self, password: String) -> Result<String, Error> {
        self.nobody.run(move |_| hash(&password)).await
    }

    /// Whether a password is the one of a hash; without one it is not, which takes as long.
    pub(super) async fn matches(&self, password: String, hash: Option<String>) -> Result<bool, Error> {
        let compare = move |nobody: &Arc<str>| {
            let (is_somebodys, hash) = (hash.is_some(), hash.as_deref().unwrap_or(nobody));
            let hash = PasswordHash::new(hash).map_err(Error::other)?;
            let is_equal = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
            Ok(is_equal && is_somebodys)
        };
        self.nobody.run(compare).await
    }
}

fn hash(password: &str) -> Result<String, Error> {
    Ok(Argon2::default().hash_password(password.as_bytes()).map_err(Error::other)?.to_string())
}

/// Whether a new password is neither guessed at once nor a burden.
pub(crate) fn check_length(password: &str) -> Result<(), Problem> {
    if (FEWEST..=MOST).contains(&password.chars().count()) {
        Ok(())
    } else {
        Err(Problem::invalid("/password", format!("a password has {FEWEST} to {MOST} characters")))
    }
}
