//! Calls that are made where nothing may wait: they are answered from what is near, or given up.

#[cfg(feature = "tokio")]
use crate::error::Error;
use crate::error::Result;

#[cfg(feature = "tokio")]
pub(crate) use self::call::without_waiting;

/// To be asked before anything that may take longer than memory does.
///
/// # Errors
/// [`Error::WouldWait`] where nothing may.
#[inline]
pub(crate) fn may_wait() -> Result<()> {
    #[cfg(feature = "tokio")]
    if call::is_inline() {
        return Err(would_wait());
    }
    Ok(())
}

#[cfg(feature = "tokio")]
#[cold]
fn would_wait() -> Error {
    call::give_up();
    Error::WouldWait
}

#[cfg(feature = "tokio")]
mod call {
    use std::cell::Cell;

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Call {
        /// Of a thread that may wait.
        Usual,
        Inline,
        /// It could not be answered.
        GivenUp,
    }

    thread_local! {
        static CALL: Cell<Call> = const { Cell::new(Call::Usual) };
    }

    pub(super) fn is_inline() -> bool {
        CALL.get() != Call::Usual
    }

    pub(super) fn give_up() {
        CALL.set(Call::GivenUp);
    }

    /// What `call` gives without waiting: `None` if it would have had to, whatever it has made of that error.
    pub(crate) fn without_waiting<T>(call: impl FnOnce() -> T) -> Option<T> {
        /// The state before it, also if it panics.
        struct Before(Call);

        impl Drop for Before {
            fn drop(&mut self) {
                CALL.set(self.0);
            }
        }

        let _before = Before(CALL.replace(Call::Inline));
        let value = call();
        (CALL.get() == Call::Inline).then_some(value)
    }
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn what_would_wait_is_given_up_though_its_error_is_swallowed() {
        assert_eq!(without_waiting(|| 1), Some(1));
        assert_eq!(without_waiting(|| may_wait().is_ok()), None);
        assert!(may_wait().is_ok(), "elsewhere it may");
        assert!(catch_unwind(|| without_waiting(|| panic!("on purpose"))).is_err());
        assert!(may_wait().is_ok());
    }
}
