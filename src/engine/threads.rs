//! The threads that drive clients, at their end.

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::base::error::{Error, Result};

/// A worker's thread.
pub(super) type Thread = JoinHandle<Result<()>>;

/// How long threads may take that have told that they end, or found that nobody listens.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often is looked whether they have ended.
const GLANCE: Duration = Duration::from_millis(1);

/// Waits until all have ended, for a time; how many have not. Those are left where they are: nothing ends a thread from
/// outside, and the process' end ends them.
///
/// # Errors
/// When one could not do its work, or has died.
pub(super) fn join(threads: Vec<Thread>) -> Result<usize> {
    let begun = Instant::now();
    while !threads.iter().all(JoinHandle::is_finished) && begun.elapsed() < PATIENCE {
        thread::sleep(GLANCE);
    }
    let (ended, left): (Vec<_>, Vec<_>) = threads.into_iter().partition(JoinHandle::is_finished);
    let ends: Vec<_> = ended.into_iter().map(JoinHandle::join).collect();
    let died = ends.iter().filter(|end| end.is_err()).count();
    ends.into_iter().flatten().collect::<Result<()>>()?;
    if died > 0 {
        return Err(Error::not_measured(format!(
            "{died} worker threads died: this is a bug of tokenstorm"
        ))
        .hint("please report it, with the scenario"));
    }
    Ok(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_end_is_left_where_it_is_and_the_others_are_heard() {
        let stuck = || {
            thread::spawn(|| {
                loop {
                    thread::park();
                }
            })
        };
        assert_eq!(join(vec![thread::spawn(|| Ok(())), stuck()]).unwrap(), 1);
        let failed = thread::spawn(|| Err(Error::not_measured("no epoll")));
        let error = join(vec![failed]).unwrap_err();
        assert!(error.to_string().contains("no epoll"), "{error}");
    }
}
