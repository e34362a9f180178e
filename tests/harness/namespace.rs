use std::collections::BTreeSet;

use redis::{Commands as _, RedisResult, ScanOptions};

use crate::environment::redis_url;

/// A prefix of its own for the keys of one test in the shared Redis. Dropped, it takes its keys along.
#[derive(Debug)]
pub struct Namespace {
    prefix: String,
}

impl Namespace {
    /// A prefix that no other test has.
    #[expect(clippy::new_without_default, reason = "each is another one, which a default should not be")]
    #[must_use]
    pub fn new() -> Self {
        Self { prefix: format!("test-{:016x}", fastrand::u64(..)) }
    }

    /// The prefix, without a separator at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.prefix
    }

    /// The keys of the cells that are there under the prefix, for tests that look a store over the shoulder. What the store has there
    /// for itself is not among them.
    ///
    /// # Panics
    /// If Redis can't be reached.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let keys = self.scan().expect("the shared Redis answers");
        let is_cell = |key: &String| !key[self.prefix.len()..].trim_start_matches(':').starts_with('#');
        keys.into_iter().filter(is_cell).collect()
    }

    fn scan(&self) -> RedisResult<Vec<String>> {
        let mut connection = redis::Client::open(redis_url())?.get_connection()?;
        // Others may have left half a million keys there, and by default Redis looks at ten of them in a round trip.
        let ours = ScanOptions::default().with_pattern(format!("{}*", self.prefix)).with_count(10_000);
        let keys = connection.scan_options(ours)?;
        // Redis may name a key twice while its table grows or shrinks.
        Ok(keys.collect::<RedisResult<BTreeSet<_>>>()?.into_iter().collect())
    }

    fn clear(&self) -> RedisResult<()> {
        let keys = self.scan()?;
        if keys.is_empty() {
            return Ok(());
        }
        redis::Client::open(redis_url())?.get_connection()?.unlink(keys)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What is left over expires by itself.
        let _ = self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_with_their_namespace_and_no_others() {
        let mut connection = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
        let (one, other) = (Namespace::new(), Namespace::new());
        let [first, second] = [&one, &other].map(|namespace| format!("{}:users:7", namespace.as_str()));
        let _: () = connection.mset(&[(&first, 1), (&second, 2)]).unwrap();
        assert_eq!(one.keys(), [first.as_str()]);
        drop(one);
        assert_eq!(connection.mget::<_, Vec<Option<u8>>>(&[first, second]).unwrap(), [None, Some(2)]);
    }
}
