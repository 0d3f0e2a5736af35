//! Live metrics pushed by the OpenTelemetry protocol (OTLP 1.x over HTTP, in protobuf).
//!
//! A thread of its own pushes the last snapshot every few seconds, and once at the end. Counters are cumulative, so that a
//! push that fails loses nothing that the next one does not bring.

mod message;
mod post;
mod stale;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use self::{message::Source, post::Post};
use super::{Listener, Receiver, Snapshot, runs::Runs};
use crate::base::{
    clock::{Clock, SHORT_GLANCE, nanoseconds},
    error::{Error, Result},
};

/// Between two pushes.
const EVERY: Duration = Duration::from_secs(5);
/// How often the last push is tried, and how long is waited in between.
const TRIES: usize = 3;
const REST: Duration = Duration::from_millis(500);
/// How long is waited for the last push: longer than all of its tries take together.
const END: Duration = Duration::from_secs(12);
/// By how much its thread gives way to those that drive clients.
const LOWERED: i32 = 10;

/// The last snapshot, with the counts of all runs; a newer one takes its place where nobody has pushed it.
type Latest = Option<Arc<Snapshot>>;

/// Pushes what is told of runs.
#[derive(Debug)]
pub struct Pusher {
    runs: Mutex<Runs>,
    /// Nothing once it is over.
    latest: Mutex<Option<watch::Sender<Latest>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Pusher {
    /// Starts to push to a receiver, which need not be there yet.
    ///
    /// # Errors
    /// When there is no thread for it, or the environment has headers for it that are none.
    pub fn start(receiver: &Receiver) -> Result<Self> {
        let source = Source::new()?;
        let post = Post::new(receiver)?;
        let failed = |why| Error::not_measured(format!("can't push metrics: {why}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (latest, news) = watch::channel(None);
        let pushes = Pushes { source, post, made: 0, failed: 0 };
        let thread = thread::Builder::new()
            .name("otlp".into())
            .spawn(move || run(runtime, pushes, news))
            .map_err(failed)?;
        Ok(Self {
            runs: Mutex::default(),
            latest: Mutex::new(Some(latest)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Pushes the last snapshot, and says how many pushes failed. It waits for 12 s at most, and not once `stop` is set anew.
    pub fn end(&self, stop: &AtomicBool) {
        drop(self.latest.lock().take());
        let Some(thread) = self.thread.lock().take() else { return };
        let was_stopped = stop.load(Ordering::Relaxed);
        let is_enough = || !was_stopped && stop.load(Ordering::Relaxed);
        if wait(&thread, is_enough, END) == Waited::InVain {
            crate::tell!("warning: the last push of metrics did not end, and is given up");
        }
    }
}

/// How it ended to wait for a thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Waited {
    /// The thread has ended.
    ToItsEnd,
    /// The user did not want to wait any longer.
    UntilStopped,
    /// It goes on.
    InVain,
}

/// Waits for a thread, for so long at most, and not once that is enough. It should end by itself, as each push has a time
/// limit; what the system does for it, such as to look up a name, may have none.
fn wait(thread: &JoinHandle<()>, is_enough: impl Fn() -> bool, most: Duration) -> Waited {
    let (clock, most) = (Clock::start(), nanoseconds(most));
    while !thread.is_finished() {
        if is_enough() {
            return Waited::UntilStopped;
        }
        if clock.now() >= most {
            return Waited::InVain;
        }
        thread::sleep(SHORT_GLANCE);
    }
    Waited::ToItsEnd
}

impl Listener for Pusher {
    fn hears(&self, snapshot: &Arc<Snapshot>) {
        let whole = self.runs.lock().take(Arc::clone(snapshot));
        if let Some(latest) = &*self.latest.lock() {
            latest.send_replace(Some(Arc::new(whole)));
        }
    }
}

fn run(runtime: Runtime, mut pushes: Pushes, mut news: watch::Receiver<Latest>) {
    let _ = rustix::process::setpriority_process(None, LOWERED);
    runtime.block_on(async {
        let mut pace = interval_at(Instant::now() + EVERY, EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let goes_on = tokio::select! {
                biased;
                () = over(&news) => false,
                _ = pace.tick() => true,
            };
            if !goes_on {
                break;
            }
            let latest = news.borrow_and_update().clone();
            // The end does not wait for a push that hangs: its own has all that this one has.
            tokio::select! {
                biased;
                () = over(&news) => break,
                () = pushes.push(latest) => {}
            }
        }
        let last = news.borrow().clone();
        pushes.last(last).await;
    });
    // A name that the system still looks up is not waited for: it may never answer.
    runtime.shutdown_background();
    pushes.tell();
}

/// Waits until nobody has anything to tell any more.
async fn over(news: &watch::Receiver<Latest>) {
    let mut news = news.clone();
    while news.changed().await.is_ok() {}
}

/// What is pushed, and what became of that.
struct Pushes {
    source: Source,
    post: Post,
    made: u64,
    failed: u64,
}

impl Pushes {
    /// Pushes a snapshot, where there is one; the first failure is said.
    async fn push(&mut self, latest: Latest) {
        let Some(latest) = latest else { return };
        let message = self.source.message(&latest);
        self.made += 1;
        let Err(why) = self.post.send(message).await else { return self.source.arrived() };
        if self.failed == 0 {
            crate::tell!(
                "warning: metrics could not be pushed to `{}`: {why}",
                self.post.receiver()
            );
        }
        self.failed += 1;
    }

    /// Pushes the last snapshot, trying more than once.
    async fn last(&mut self, latest: Latest) {
        for tried in 1..=TRIES {
            let failed = self.failed;
            self.push(latest.clone()).await;
            if self.failed == failed || tried == TRIES {
                return;
            }
            sleep(REST).await;
        }
    }

    fn tell(&self) {
        let Self { made, failed, post, .. } = self;
        if *failed > 0 {
            crate::tell!("{failed} of {made} pushes of metrics to `{}` failed", post.receiver());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Longer than anything here takes: whatever hangs fails then.
    const FOREVER: Duration = Duration::from_mins(1);

    #[test]
    fn what_the_system_never_answers_does_not_keep_the_last_push_from_ending() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (release, released) = mpsc::channel::<()>();
        // As a name that is looked up.
        runtime.spawn_blocking(move || released.recv());
        let source = Source::new().unwrap();
        let post = Post::new(&Receiver::parse("http://127.0.0.1:9").unwrap()).unwrap();
        // Over before anything was told.
        let (_, news) = watch::channel(None);
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            run(runtime, Pushes { source, post, made: 0, failed: 0 }, news);
            ended.send(())
        });
        end.recv_timeout(FOREVER).unwrap();
        drop(release);
    }

    #[test]
    fn a_push_that_does_not_end_is_waited_for_until_the_deadline_or_until_the_user_ends_it() {
        let (release, released) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let _ = released.recv();
        });
        assert_eq!(wait(&thread, || false, Duration::ZERO), Waited::InVain);
        assert_eq!(wait(&thread, || true, FOREVER), Waited::UntilStopped);
        drop(release);
        assert_eq!(wait(&thread, || false, FOREVER), Waited::ToItsEnd);
    }
}
