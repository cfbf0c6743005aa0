//! Waiting for a condition, never for a time.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::KitError;

/// Between two looks at a condition.
const STEP: Duration = Duration::from_millis(20);

/// Lets `time` pass on this thread.
pub fn pause(time: Duration) {
    let (_keep, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(time); // nobody sends: only the time-out ends it
}

/// Looks until `look` finds something.
///
/// # Errors
/// `Late` when nothing was found within `limit`.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, KitError> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if started.elapsed() > limit {
            return Err(KitError::Late { what: what.to_owned(), within_s: limit.as_secs_f64() });
        }
        pause(STEP);
    }
}

/// Looks until `look` finds something, for tests.
///
/// # Panics
/// When nothing was found within `limit`.
#[track_caller]
pub fn poll_until<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    match wait_for(what, limit, look) {
        Ok(found) => found,
        Err(late) => panic!("{late}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_is_named() {
        let late = wait_for("the impossible", Duration::from_millis(30), || None::<()>);
        let said = late.expect_err("nothing was ever found").to_string();
        assert!(said.contains("the impossible"), "{said}");
    }
}
