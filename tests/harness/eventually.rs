use std::{
    thread,
    time::{Duration, Instant},
};

/// Waits until `is_met`, asking every few milliseconds.
///
/// # Panics
/// If it isn't met `within` that time. Give generously: only a failing test waits so long.
#[track_caller]
pub fn eventually(within: Duration, mut is_met: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !is_met() {
        assert!(Instant::now() < deadline, "not so within {within:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_asked_again_until_it_is_met() {
        let mut n_asked = 0;
        eventually(Duration::from_secs(60), || {
            n_asked += 1;
            n_asked == 5
        });
        assert_eq!(n_asked, 5);
    }

    #[test]
    #[should_panic(expected = "not so within 10ms")]
    fn a_condition_that_is_never_met_fails_the_test() {
        eventually(Duration::from_millis(10), || false);
    }
}
