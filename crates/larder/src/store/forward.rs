/// Writes those methods of a [`Store`](crate::store::Store) in which one that wraps another does nothing but ask that: all of them, or
/// all but those behind `except`, which the wrapper writes itself or leaves at their defaults.
///
/// What the trait gets in later versions is forwarded too, so whoever counts, or guards, each operation writes each of them. The trait
/// must be in scope.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use larder::store::{self, Cell, CellKey, Store, StoreError};
///
/// /// A store that nobody reads from, as while it is being filled.
/// struct Mute {
///     store: Arc<dyn Store>,
/// }
///
/// impl Store for Mute {
///     store::forward!(self.store, except read);
///
///     fn read(&self, _keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
///         Err(StoreError::refused("it is being filled"))
///     }
/// }
/// # let store = Mute { store: Arc::new(larder::MemoryStore::new()) };
/// # assert!(store.read(&[]).unwrap_err().is_refused() && !store.may_be_away());
/// ```
#[doc(inline)]
pub use crate::__forward_store as forward;

#[doc(hidden)]
#[macro_export]
macro_rules! __forward_store {
    ($self:ident . $($field:tt).+ $(, except $($method:ident),+ $(,)?)?) => {
        $crate::__forward_store! {
            @each [$($($method)+)?] [$self . $($field).+]
            attach read read_stamped lease stamp fill begin finish settle inspect extend scan listen may_be_away at_once
        }
    };
    (@each $except:tt $store:tt $($method:ident)+) => {
        $($crate::__forward_store! { @unless $method $except $store })+
    };

    // One that is excepted is written by the wrapper.
    (@unless attach [attach $($_rest:ident)*] $store:tt) => {};
    (@unless read [read $($_rest:ident)*] $store:tt) => {};
    (@unless read_stamped [read_stamped $($_rest:ident)*] $store:tt) => {};
    (@unless lease [lease $($_rest:ident)*] $store:tt) => {};
    (@unless stamp [stamp $($_rest:ident)*] $store:tt) => {};
    (@unless fill [fill $($_rest:ident)*] $store:tt) => {};
    (@unless begin [begin $($_rest:ident)*] $store:tt) => {};
    (@unless finish [finish $($_rest:ident)*] $store:tt) => {};
    (@unless settle [settle $($_rest:ident)*] $store:tt) => {};
    (@unless inspect [inspect $($_rest:ident)*] $store:tt) => {};
    (@unless extend [extend $($_rest:ident)*] $store:tt) => {};
    (@unless scan [scan $($_rest:ident)*] $store:tt) => {};
    (@unless listen [listen $($_rest:ident)*] $store:tt) => {};
    (@unless may_be_away [may_be_away $($_rest:ident)*] $store:tt) => {};
    (@unless at_once [at_once $($_rest:ident)*] $store:tt) => {};
    (@unless $method:ident [$_other:ident $($rest:ident)*] $store:tt) => {
        $crate::__forward_store! { @unless $method [$($rest)*] $store }
    };

    (@unless attach [] [$self:ident . $($field:tt).+]) => {
        fn attach(&$self, hold: ::core::time::Duration) {
            $self.$($field).+.attach(hold);
        }
    };
    (@unless read [] [$self:ident . $($field:tt).+]) => {
        fn read(
            &$self,
            keys: &[$crate::store::CellKey],
        ) -> ::core::result::Result<::std::vec::Vec<$crate::store::Cell>, $crate::store::StoreError> {
            $self.$($field).+.read(keys)
        }
    };
    (@unless read_stamped [] [$self:ident . $($field:tt).+]) => {
        fn read_stamped(
            &$self,
            keys: &[$crate::store::CellKey],
            stamped: &[$crate::store::CellKey],
        ) -> ::core::result::Result<$crate::store::Stamped, $crate::store::StoreError> {
            $self.$($field).+.read_stamped(keys, stamped)
        }
    };
    (@unless lease [] [$self:ident . $($field:tt).+]) => {
        fn lease(
            &$self,
            keys: &[(&$crate::store::CellKey, $crate::store::Vacancy)],
            ttl: ::core::time::Duration,
        ) -> ::core::result::Result<
            ::std::vec::Vec<::core::option::Option<$crate::store::Lease>>,
            $crate::store::StoreError,
        > {
            $self.$($field).+.lease(keys, ttl)
        }
    };
    (@unless stamp [] [$self:ident . $($field:tt).+]) => {
        fn stamp(
            &$self,
            keys: &[&$crate::store::CellKey],
            ttl: ::core::time::Duration,
        ) -> ::core::result::Result<
            ::std::vec::Vec<::core::option::Option<$crate::store::Nonce>>,
            $crate::store::StoreError,
        > {
            $self.$($field).+.stamp(keys, ttl)
        }
    };
    (@unless fill [] [$self:ident . $($field:tt).+]) => {
        fn fill(
            &$self,
            fills: &[$crate::store::Fill<'_>],
        ) -> ::core::result::Result<::std::vec::Vec<bool>, $crate::store::StoreError> {
            $self.$($field).+.fill(fills)
        }
    };
    (@unless begin [] [$self:ident . $($field:tt).+]) => {
        fn begin(
            &$self,
            nonce: $crate::store::Nonce,
            keys: &[&$crate::store::CellKey],
            hold: ::core::time::Duration,
            recall: $crate::store::Recall,
        ) -> ::core::result::Result<::core::option::Option<$crate::store::Position>, $crate::store::StoreError> {
            $self.$($field).+.begin(nonce, keys, hold, recall)
        }
    };
    (@unless finish [] [$self:ident . $($field:tt).+]) => {
        fn finish(
            &$self,
            nonce: $crate::store::Nonce,
            endings: &[(&$crate::store::CellKey, $crate::store::Ending)],
        ) -> ::core::result::Result<(), $crate::store::StoreError> {
            $self.$($field).+.finish(nonce, endings)
        }
    };
    (@unless settle [] [$self:ident . $($field:tt).+]) => {
        fn settle(
            &$self,
            nonce: ::core::option::Option<$crate::store::Nonce>,
            keys: &[&$crate::store::CellKey],
        ) -> ::core::result::Result<(), $crate::store::StoreError> {
            $self.$($field).+.settle(nonce, keys)
        }
    };
    (@unless inspect [] [$self:ident . $($field:tt).+]) => {
        fn inspect(
            &$self,
            keys: &[$crate::store::CellKey],
        ) -> ::core::result::Result<::std::vec::Vec<$crate::store::Inspected>, $crate::store::StoreError> {
            $self.$($field).+.inspect(keys)
        }
    };
    (@unless extend [] [$self:ident . $($field:tt).+]) => {
        fn extend(
            &$self,
            values: &[(&$crate::store::CellKey, $crate::store::Nonce, ::core::time::Duration)],
        ) -> ::core::result::Result<::std::vec::Vec<bool>, $crate::store::StoreError> {
            $self.$($field).+.extend(values)
        }
    };
    (@unless scan [] [$self:ident . $($field:tt).+]) => {
        fn scan(
            &$self,
            prefix: &[u8],
            from: $crate::store::Cursor,
        ) -> ::core::result::Result<$crate::store::Scanned, $crate::store::StoreError> {
            $self.$($field).+.scan(prefix, from)
        }
    };
    (@unless listen [] [$self:ident . $($field:tt).+]) => {
        fn listen(
            &$self,
            listener: ::std::sync::Arc<dyn $crate::store::Listener>,
            wanted: $crate::store::Listening,
        ) -> ::core::option::Option<$crate::store::Subscription> {
            $self.$($field).+.listen(listener, wanted)
        }
    };
    (@unless may_be_away [] [$self:ident . $($field:tt).+]) => {
        fn may_be_away(&$self) -> bool {
            $self.$($field).+.may_be_away()
        }
    };
    (@unless at_once [] [$self:ident . $($field:tt).+]) => {
        fn at_once(&$self) -> ::core::option::Option<usize> {
            $self.$($field).+.at_once()
        }
    };
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use crate::store::{
        self, Announcement, CellKey, Layout, Listener, Listening, ManualClock, MemoryStore, Nonce, Position, Recall,
        Store, StoreError, conformance::Subject,
    };

    struct All(Arc<dyn Store>);

    impl Store for All {
        store::forward!(self.0);
    }

    struct Inner {
        store: Told,
    }

    struct Part {
        inner: Inner,
    }

    impl Store for Part {
        store::forward!(self.inner.store, except settle, may_be_away);

        fn settle(&self, _: Option<Nonce>, _: &[&CellKey]) -> Result<(), StoreError> {
            Err(StoreError::refused("it is excepted"))
        }
    }

    /// A store in process that remembers for how long markers are held.
    struct Told {
        store: MemoryStore,
        hold: Mutex<Option<Duration>>,
    }

    impl Store for Told {
        store::forward!(self.store, except attach, at_once);

        fn at_once(&self) -> Option<usize> {
            Some(7)
        }

        fn attach(&self, hold: Duration) {
            *self.hold.lock().unwrap() = Some(hold);
        }
    }

    struct Deaf;

    impl Listener for Deaf {
        fn now(&self) -> Duration {
            Duration::ZERO
        }

        fn joined(&self, _: Option<Position>) {}
        fn dropped(&self, _: &Announcement<'_>) {}
        fn proven(&self, _: Duration, _: Option<Duration>) {}
        fn lost(&self) {}
    }

    fn wrapped() -> Subject {
        let clock = ManualClock::default();
        let store = MemoryStore::new().with_clock(clock.clone());
        Subject::new(All(Arc::new(store))).on_clock(clock)
    }

    crate::store_conformance_tests!(wrapped);

    #[test]
    fn what_has_a_default_is_forwarded_too_and_what_is_excepted_is_not() {
        let told = Told { store: MemoryStore::new(), hold: Mutex::default() };
        let part = Part { inner: Inner { store: told } };
        part.attach(Duration::from_secs(7));
        assert_eq!(*part.inner.store.hold.lock().unwrap(), Some(Duration::from_secs(7)));
        let wanted = Listening { proof_every: Duration::from_secs(1), is_strict: false };
        assert!(part.listen(Arc::new(Deaf), wanted).is_some());
        assert!(!part.inner.store.may_be_away() && part.may_be_away());
        assert_eq!(part.at_once(), Some(7));
        let key = CellKey::new(&b"users:id:1"[..], Layout::new(1));
        assert!(part.settle(None, &[&key]).unwrap_err().is_refused());
        assert!(part.begin(Nonce::fresh(), &[&key], Duration::from_secs(1), Recall::Announced).is_ok());
    }
}
