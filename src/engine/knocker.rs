//! Asks whether brokers are still there: a thread that opens bare TCP connections when one has closed, and sends nothing.
//!
//! Workers tell it of connects and of ends by storing an instant each into a cell of their own, so that nothing is fought
//! for; it sleeps until the first end.

use std::{
    net::IpAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use parking_lot::Mutex;

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Result},
    },
    client::socket,
    record::measure::{Count, Measurements, signs::Site},
};

/// Time between two knocks: a broker that is being ended takes connects until its process is gone.
const APART: u64 = SECOND * 15 / 100;
/// A knock that nothing came of for so long says nothing.
const PATIENCE: u64 = SECOND;
/// How often it looks what attempts have met, and whether the run is over, while it asks.
const GLANCE: u64 = SECOND / 50;
/// How often it is looked whether all is asked.
const STEP: Duration = Duration::from_millis(5);
/// How long that may take where the user waits for the end: two knocks at a broker that answers.
const SOON: Duration = Duration::from_millis(500);
/// So many in a row decide.
const IN_A_ROW: u32 = 2;

/// What a worker has seen of an address: a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Cell {
    /// When a connect of an attempt was taken last.
    taken: AtomicU64,
    /// When one was refused last.
    refused: AtomicU64,
    /// When the broker ended a connection last.
    ended: AtomicU64,
}

/// What came of a knock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Taken,
    Refused,
    Silence,
}

/// What was heard and asked.
#[derive(Debug, Default)]
struct Told {
    answers: Vec<(Site, u64, Answer)>,
    /// Knocks, answered or not.
    count: u64,
}

/// What all share.
#[derive(Debug)]
struct Shared {
    cells: Mutex<Vec<(Site, Arc<Cell>)>>,
    /// What is not told yet.
    told: Mutex<Told>,
    /// The thread sleeps until it is woken.
    sleeps: AtomicBool,
    over: AtomicBool,
    clock: Clock,
    /// Where the clients of the run come from.
    sources: Vec<IpAddr>,
}

impl Shared {
    /// Where a knock comes from: whatever lets clients pass lets it pass.
    fn from(&self, site: Site) -> Option<IpAddr> {
        self.sources.iter().find(|source| source.is_ipv4() == site.address.is_ipv4()).copied()
    }
}

/// The one that knocks. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Knocker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

impl Knocker {
    /// Lets it sleep until somebody wakes it.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(clock: Clock, sources: &[IpAddr]) -> Result<Self> {
        let shared = Arc::new(Shared {
            cells: Mutex::default(),
            told: Mutex::default(),
            sleeps: AtomicBool::new(false),
            over: AtomicBool::new(false),
            clock,
            sources: sources.to_vec(),
        });
        let own = Arc::clone(&shared);
        let handle = thread::Builder::new()
            .name("knocker".into())
            .spawn(move || Rounds { shared: own, sites: Vec::new() }.run())
            .map_err(|error| {
                Error::not_measured(format!(
                    "can't start the thread that knocks at brokers: {error}"
                ))
            })?;
        Ok(Self { shared, thread: handle.thread().clone(), handle: Some(handle) })
    }

    /// A cell for what a worker sees of an address.
    pub(super) fn cell(&self, site: Site) -> Arc<Cell> {
        let cell = Arc::new(Cell::default());
        let mut cells = self.shared.cells.lock();
        cells.push((site, Arc::clone(&cell)));
        cell
    }

    /// Notes that a broker has ended a connection, or that nothing more is to come there.
    pub(super) fn ended(&self, cell: &Cell, at: u64) {
        cell.ended.store(at, Ordering::Release);
        if self.shared.sleeps.load(Ordering::SeqCst)
            && self.shared.sleeps.swap(false, Ordering::SeqCst)
        {
            self.thread.unpark();
        }
    }

    /// Waits until all is asked that was to be asked; where the user wants the run to end, only for what is answered soon.
    pub(super) fn rest(&self, stop: &AtomicBool) {
        let is_at_rest = || {
            let is_known = self.shared.sleeps.load(Ordering::SeqCst);
            is_known || self.handle.as_ref().is_none_or(JoinHandle::is_finished)
        };
        let mut stopped = Duration::ZERO;
        while !is_at_rest() && stopped < SOON {
            thread::sleep(STEP);
            if stop.load(Ordering::Relaxed) {
                stopped += STEP;
            }
        }
    }

    /// Puts what it has heard into a recorder; the storm started at `start`.
    pub(super) fn tell(&self, seen: &mut Measurements, start: u64) {
        let mut told = self.shared.told.lock();
        seen[Count::Checks] += std::mem::take(&mut told.count);
        for (site, at, answer) in told.answers.drain(..) {
            let signs = seen.signs_of(0, site);
            match answer {
                Answer::Taken => signs.alive(at.saturating_sub(start)),
                Answer::Refused => signs.refused(at.saturating_sub(start)),
                Answer::Silence => {}
            }
        }
    }
}

impl Drop for Knocker {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            drop(handle.join());
        }
    }
}

impl Cell {
    /// Notes that a connect of an attempt was taken.
    pub(super) fn taken(&self, at: u64) {
        self.taken.store(at, Ordering::Relaxed);
    }

    /// Notes that one was refused.
    pub(super) fn refused(&self, at: u64) {
        self.refused.store(at, Ordering::Relaxed);
    }
}

/// The thread.
struct Rounds {
    shared: Arc<Shared>,
    sites: Vec<Round>,
}

/// The knocks at an address.
struct Round {
    site: Site,
    /// The last end that is known.
    ended: u64,
    /// The answers in a row since then.
    row: Option<(Answer, u32)>,
    /// When the next knock is due; `None` while there is nothing to ask.
    due: Option<u64>,
    /// The last knock that was answered, by an attempt or a bare connect.
    last: u64,
    /// A knock that is under way.
    open: Option<(OwnedFd, u64)>,
}

impl Rounds {
    fn run(mut self) {
        while !self.shared.over.load(Ordering::SeqCst) {
            self.look();
            let now = self.shared.clock.now();
            for round in &mut self.sites {
                round.go_on(&self.shared, now);
            }
            self.wait();
        }
    }

    /// Takes note of connections that ended since.
    fn look(&mut self) {
        let cells = self.shared.cells.lock();
        for (site, cell) in cells.iter() {
            let ended = cell.ended.load(Ordering::Acquire);
            let place = self.sites.iter().position(|round| round.site == *site);
            let place = place.unwrap_or_else(|| {
                self.sites.push(Round::new(*site));
                self.sites.len() - 1
            });
            let round = &mut self.sites[place];
            if ended > round.ended {
                (round.ended, round.row) = (ended, None);
                round.due = round.due.or_else(|| Some(self.shared.clock.now()));
            }
            if round.due.is_some() {
                round.hear(cell);
            }
        }
    }

    /// Sleeps until something is due or answered, or where nothing is to be asked, until it is woken.
    fn wait(&self) {
        let Some(due) = self.sites.iter().filter_map(|round| round.due).min() else {
            self.shared.sleeps.store(true, Ordering::SeqCst);
            // What ended just before is not slept over.
            let cells = self.shared.cells.lock();
            let known = |site: &Site| {
                let round = self.sites.iter().find(|round| round.site == *site);
                round.map_or(0, |round| round.ended)
            };
            let is_news =
                cells.iter().any(|(site, cell)| cell.ended.load(Ordering::Acquire) > known(site));
            drop(cells);
            if is_news {
                self.shared.sleeps.store(false, Ordering::SeqCst);
            }
            while self.shared.sleeps.load(Ordering::SeqCst)
                && !self.shared.over.load(Ordering::SeqCst)
            {
                thread::park();
            }
            return;
        };
        let left = due.saturating_sub(self.shared.clock.now()).min(GLANCE);
        let timeout = Timespec { tv_sec: (left / SECOND) as i64, tv_nsec: (left % SECOND) as i64 };
        let open = self.sites.iter().filter_map(|round| round.open.as_ref());
        let mut open: Vec<PollFd<'_>> =
            open.map(|(socket, _)| PollFd::new(socket, PollFlags::OUT)).collect();
        // Interrupted is as good as nothing happened.
        let _ = poll(&mut open, Some(&timeout));
    }
}

impl Round {
    fn new(site: Site) -> Self {
        Self { site, ended: 0, row: None, due: None, last: 0, open: None }
    }

    /// Takes a connect of an attempt for a knock, where one is due or under way and the connect came after the last end.
    fn hear(&mut self, cell: &Cell) {
        let since = (self.last + APART).max(self.ended);
        let taken = (cell.taken.load(Ordering::Relaxed), Answer::Taken);
        let refused = (cell.refused.load(Ordering::Relaxed), Answer::Refused);
        let (at, answer) = if taken.0 > refused.0 { taken } else { refused };
        if at > since {
            // It is in what the worker tells.
            self.answered(answer, at);
        }
    }

    fn answered(&mut self, answer: Answer, at: u64) {
        (self.open, self.last) = (None, at);
        let count = match self.row {
            Some((known, count)) if known == answer => count + 1,
            _ => 1,
        };
        self.row = Some((answer, count));
        self.due = (count < IN_A_ROW).then_some(at + APART);
    }

    fn go_on(&mut self, shared: &Shared, now: u64) {
        if let Some((socket, since)) = &self.open {
            let answer = match socket::pending_error(socket) {
                Some(Errno::CONNREFUSED) => Some(Answer::Refused),
                Some(_) => Some(Answer::Silence),
                None if socket::is_connected(socket) => Some(Answer::Taken),
                None => (now >= since + PATIENCE).then_some(Answer::Silence),
            };
            match answer {
                Some(answer) => self.heard(shared, answer, now),
                None => self.due = Some(since + PATIENCE),
            }
            return;
        }
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        shared.told.lock().count += 1;
        match socket::knock(self.site.address, shared.from(self.site)) {
            Ok((socket, true)) => {
                drop(socket);
                self.heard(shared, Answer::Taken, shared.clock.now());
            }
            Ok((socket, false)) => {
                self.open = Some((socket, now));
                self.due = Some(now + PATIENCE);
            }
            Err(Errno::CONNREFUSED) => self.heard(shared, Answer::Refused, shared.clock.now()),
            Err(_) => self.heard(shared, Answer::Silence, now),
        }
    }

    fn heard(&mut self, shared: &Shared, answer: Answer, at: u64) {
        shared.told.lock().answers.push((self.site, at, answer));
        self.answered(answer, at);
    }
}
