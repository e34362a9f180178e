mod layer;

use std::time::Duration;

use http::HeaderValue;

pub(crate) use self::layer::forget_targeted;
pub use self::layer::{CacheControlLayer, SetCacheControl};

/// Who may keep an answer, and for how long: a value of `Cache-Control` (RFC 9111, section 5.2.2; RFC 5861; RFC 8246).
///
/// ```
/// use std::time::Duration;
///
/// use larder_http::CacheControl;
///
/// let minute = CacheControl::public().max_age(Duration::from_secs(5)).s_maxage(Duration::from_secs(60));
/// assert_eq!(minute.to_string(), "public, max-age=5, s-maxage=60");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheControl {
    keepers: Keepers,
    no_cache: bool,
    must_revalidate: bool,
    immutable: bool,
    max_age: Option<Duration>,
    s_maxage: Option<Duration>,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keepers {
    All,
    Private,
    None,
}

impl CacheControl {
    const fn new(keepers: Keepers) -> Self {
        Self {
            keepers,
            no_cache: false,
            must_revalidate: false,
            immutable: false,
            max_age: None,
            s_maxage: None,
            stale_while_revalidate: None,
            stale_if_error: None,
        }
    }

    /// Every cache may keep it, shared ones too: for answers that are the same for everybody.
    #[must_use]
    pub const fn public() -> Self {
        Self::new(Keepers::All)
    }

    /// Only the cache of the client that asked may keep it.
    #[must_use]
    pub const fn private() -> Self {
        Self::new(Keepers::Private)
    }

    /// No cache may keep it. Whatever else is set is left out.
    #[must_use]
    pub const fn no_store() -> Self {
        Self::new(Keepers::None)
    }

    /// For how long it may be used without asking.
    ///
    /// Durations are in whole seconds, rounded down, and at most 2^31 of them (RFC 9111, section 1.2.2).
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The same for shared caches, in place of [`max_age`](Self::max_age). Left out where the answer is private.
    #[must_use]
    pub const fn s_maxage(mut self, age: Duration) -> Self {
        self.s_maxage = Some(age);
        self
    }

    /// For how long after that it may be used while it is asked for anew.
    #[must_use]
    pub const fn stale_while_revalidate(mut self, age: Duration) -> Self {
        self.stale_while_revalidate = Some(age);
        self
    }

    /// For how long after that it may be used if asking fails.
    #[must_use]
    pub const fn stale_if_error(mut self, age: Duration) -> Self {
        self.stale_if_error = Some(age);
        self
    }

    /// It may be kept, and is to be asked for anew before each use.
    #[must_use]
    pub const fn no_cache(mut self) -> Self {
        self.no_cache = true;
        self
    }

    /// Once it is stale it may not be used without asking, whatever a cache is configured to.
    #[must_use]
    pub const fn must_revalidate(mut self) -> Self {
        self.must_revalidate = true;
        self
    }

    /// It never changes while it is fresh, so that not even a reload asks for it.
    #[must_use]
    pub const fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// The same for the client alone.
    #[must_use]
    pub const fn into_private(mut self) -> Self {
        if matches!(self.keepers, Keepers::All) {
            self.keepers = Keepers::Private;
        }
        self
    }

    /// As the value of `Cache-Control`.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.to_string()).expect("names and numbers may be in a header")
    }
}

impl std::fmt::Display for CacheControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.keepers {
            Keepers::All => "public",
            Keepers::Private => "private",
            Keepers::None => return f.write_str("no-store"),
        })?;
        let s_maxage = self.s_maxage.filter(|_| self.keepers == Keepers::All);
        for (name, age) in [
            ("max-age", self.max_age),
            ("s-maxage", s_maxage),
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
        ] {
            if let Some(age) = age {
                write!(f, ", {name}={}", age.as_secs().min(1 << 31))?;
            }
        }
        for (name, is_set) in
            [("no-cache", self.no_cache), ("must-revalidate", self.must_revalidate), ("immutable", self.immutable)]
        {
            if is_set {
                write!(f, ", {name}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_what_was_set() {
        let second = Duration::from_secs(1);
        let all = CacheControl::public()
            .max_age(second)
            .s_maxage(second * 2)
            .stale_while_revalidate(second * 3)
            .stale_if_error(second * 4)
            .no_cache()
            .must_revalidate()
            .immutable();
        let said =
            "max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4, no-cache, must-revalidate, immutable";
        assert_eq!(all.to_string(), format!("public, {said}"));
        assert_eq!(all.into_private().to_string(), format!("private, {}", said.replace("s-maxage=2, ", "")));
        assert_eq!(CacheControl::no_store().max_age(second).no_cache().to_string(), "no-store");
        assert_eq!(CacheControl::no_store().into_private(), CacheControl::no_store());
    }

    #[test]
    fn ages_are_whole_seconds_within_bounds() {
        let age = |age| CacheControl::private().max_age(age).to_string();
        assert_eq!(age(Duration::from_millis(1_999)), "private, max-age=1");
        assert_eq!(age(Duration::MAX), "private, max-age=2147483648");
    }
}
