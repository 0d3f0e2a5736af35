//! A server that answers each CONNECT after a known delay, and keeps a log of its own.
//!
//! It verifies nothing and knows nothing but CONNECT, PINGREQ and DISCONNECT of MQTT 3.1, 3.1.1 and 5.0, and AUTH of 5.0.
//! When a CONNECT or an AUTH arrived, the kernel says where it can, so that the log has no wake-up of this thread in it.
//! Where it is told to, it ends each connection a known while after the `exp` of its token, and sees who comes back.

mod connect;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::{SocketAddr, TcpListener},
    num::NonZeroU64,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    io::Errno,
    net::{SendFlags, accept_with, listen, send},
};
use slab::Slab;

use self::connect::Connect;
use super::pattern::{Ends, Pattern};
use crate::{
    base::{
        clock::{Clock, SECOND, nanoseconds, of_date},
        error::{Error, Result},
    },
    client::socket,
    token::oracle::foreign::Foreign,
};

/// Connections that the kernel may hold for it.
const BACKLOG: i32 = 4096;
/// Longest that it sleeps: so soon it hears that it is to end.
const NAP: u64 = SECOND / 20;
const EVENTS: usize = 256;
const INBOX: usize = 64 * 1024;
const LISTENER: u64 = u64::MAX;

/// A CONNECT or an AUTH, and its answer, in nanoseconds of the clock.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// When it was there whole.
    pub arrived: u64,
    /// When its answer was handed to the kernel.
    pub answered: u64,
}

impl Exchange {
    /// The delay, as anybody at the other end of a perfect wire would see it.
    pub fn delay(&self) -> u64 {
        self.answered.saturating_sub(self.arrived)
    }
}

/// A connection that was ended, in nanoseconds of the clock.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// When its token ended; before the clock started below 0.
    pub deadline: i64,
    /// When it was ended.
    pub at: u64,
    /// When its client was let in again, where it was.
    pub back: Option<u64>,
}

/// What a responder did.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Each CONNECT that was answered.
    pub exchanges: Vec<Exchange>,
    /// Each AUTH that was.
    pub auths: Vec<Exchange>,
    /// Each connection that was ended.
    pub ends: Vec<End>,
}

/// What a responder does.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// How long it takes to answer a CONNECT.
    pub answers: Pattern,
    /// How long it takes to answer an AUTH.
    pub auths: Pattern,
    /// When it ends connections, where it does.
    pub ends: Option<Ends>,
}

/// A responder that answers until it is stopped.
#[derive(Debug)]
pub struct Responder {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Log>>,
}

impl Responder {
    /// Listens at an address, port 0 for a free one.
    ///
    /// # Errors
    /// When nobody can listen there.
    pub fn start(listen_at: SocketAddr, behaviour: Behaviour, clock: Clock) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::not_measured(format!("the responder can't listen at {listen_at}: {error}"))
        };
        let listener = TcpListener::bind(listen_at).map_err(|error| failed(&error))?;
        listener.set_nonblocking(true).map_err(|error| failed(&error))?;
        // Once more, with a longer queue than the library asks for.
        listen(&listener, BACKLOG).map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let stop = Arc::new(AtomicBool::new(false));
        let server = Server::new(listener, behaviour, clock).map_err(|error| failed(&error))?;
        let of_thread = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("responder".into())
            .spawn(move || server.serve(&of_thread))
            .map_err(|error| failed(&error))?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and gives its log.
    ///
    /// # Errors
    /// When its thread has died.
    pub fn stop(mut self) -> Result<Log> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().map(JoinHandle::join);
        thread.and_then(std::result::Result::ok).ok_or_else(|| {
            Error::not_measured("the responder has died: this is a bug of tokenstorm")
        })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

struct Connection {
    socket: OwnedFd,
    generation: u32,
    /// What was read of a packet that is not whole.
    partial: Vec<u8>,
    /// Protocol level of its CONNECT: 3, 4 or 5.
    level: u8,
    /// Who it is, and when its token ends, where it is to be ended.
    life: Option<(Vec<u8>, i64)>,
}

/// What is due on a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Task {
    /// The answer to a CONNECT that arrived then.
    Answer(u64),
    /// The answer to an AUTH that did.
    Success(u64),
    /// Its end.
    End,
}

/// When something is due, on which connection, and what.
type Due = Reverse<(u64, usize, u32, Task)>;

struct Server {
    listener: TcpListener,
    epoll: OwnedFd,
    behaviour: Behaviour,
    clock: Clock,
    connections: Slab<Connection>,
    generation: u32,
    due: BinaryHeap<Due>,
    connects: u64,
    auths: u64,
    first: Option<u64>,
    log: Log,
    /// Index of the last end of each client that is away.
    away: HashMap<Vec<u8>, usize>,
    inbox: Vec<u8>,
}

impl Server {
    fn new(listener: TcpListener, behaviour: Behaviour, clock: Clock) -> rustix::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Self {
            listener,
            epoll,
            behaviour,
            clock,
            connections: Slab::new(),
            generation: 0,
            due: BinaryHeap::new(),
            connects: 0,
            auths: 0,
            first: None,
            log: Log::default(),
            away: HashMap::new(),
            inbox: vec![0; INBOX],
        })
    }

    fn serve(mut self, stop: &AtomicBool) -> Log {
        // The default slack of 50 us would be in every delay.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        while !stop.load(Ordering::Acquire) {
            self.do_due();
            let now = self.clock.now();
            let next = self.due.peek().map_or(now + NAP, |Reverse((at, ..))| (*at).min(now + NAP));
            let wait = Duration::from_nanos(next.saturating_sub(now));
            let timeout =
                Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
            // Interrupted by a signal is as good as nothing happened.
            let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout));
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept_all(),
                    data => self.read((data & 0xFFFF_FFFF) as usize, (data >> 32) as u32),
                }
                self.do_due();
            }
        }
        self.log
    }

    fn accept_all(&mut self) {
        let flags = rustix::net::SocketFlags::NONBLOCK | rustix::net::SocketFlags::CLOEXEC;
        while let Ok(socket) = accept_with(&self.listener, flags) {
            socket::ask_for_stamps(&socket);
            let _ = rustix::net::sockopt::set_tcp_nodelay(&socket, true);
            self.generation = self.generation.wrapping_add(1);
            let entry = self.connections.vacant_entry();
            let data = u64::from(self.generation) << 32 | entry.key() as u64;
            let flags = EventFlags::IN | EventFlags::RDHUP;
            if epoll::add(&self.epoll, &socket, EventData::new_u64(data), flags).is_ok() {
                let (generation, partial) = (self.generation, Vec::new());
                entry.insert(Connection { socket, generation, partial, level: 4, life: None });
            }
        }
    }

    fn read(&mut self, place: usize, generation: u32) {
        let clock = self.clock;
        let Some(connection) = self.connections.get_mut(place) else { return };
        if connection.generation != generation {
            return;
        }
        let (count, stamp) = match socket::receive_stamped(&connection.socket, &mut self.inbox) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok((0, _)) | Err(_) => {
                self.connections.remove(place);
                return;
            }
            Ok(read) => read,
        };
        let now = clock.now();
        let stamp = stamp.and_then(|stamp| u64::try_from(clock.at_wall(stamp)).ok());
        let arrived = stamp.filter(|at| *at <= now).unwrap_or(now);
        connection.partial.extend_from_slice(&self.inbox[..count]);
        while let Some(length) = packet_length(&connection.partial) {
            let packet: Vec<u8> = connection.partial.drain(..length).collect();
            match packet[0] >> 4 {
                1 => {
                    let connect = Connect::read(&packet);
                    connection.level = connect.map_or(4, |connect| connect.level);
                    connection.life = connect
                        .filter(|_| self.behaviour.ends.is_some())
                        .and_then(|connect| life(&connect, clock));
                    let first = *self.first.get_or_insert(arrived);
                    let due = self.behaviour.answers.due(self.connects, arrived, first);
                    self.connects += 1;
                    self.due.push(Reverse((due, place, generation, Task::Answer(arrived))));
                }
                15 => {
                    let first = *self.first.get_or_insert(arrived);
                    let due = self.behaviour.auths.due(self.auths, arrived, first);
                    self.auths += 1;
                    self.due.push(Reverse((due, place, generation, Task::Success(arrived))));
                }
                12 => drop(send(&connection.socket, &[0xD0, 0], SendFlags::NOSIGNAL)),
                14 => {
                    self.connections.remove(place);
                    return;
                }
                _ => {}
            }
        }
    }

    fn do_due(&mut self) {
        while let Some(Reverse((at, place, generation, task))) = self.due.peek().copied() {
            if at > self.clock.now() {
                return;
            }
            self.due.pop();
            let connection = self.connections.get(place);
            if connection.is_none_or(|connection| connection.generation != generation) {
                continue;
            }
            match task {
                Task::Answer(arrived) => self.answer(place, arrived),
                Task::Success(arrived) => self.succeed(place, arrived),
                Task::End => self.end(place),
            }
        }
    }

    fn answer(&mut self, place: usize, arrived: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        let connack: &[u8] =
            if connection.level == 5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
        if send(&connection.socket, connack, SendFlags::NOSIGNAL).is_err() {
            return;
        }
        let now = self.clock.now();
        self.log.exchanges.push(Exchange { arrived, answered: now });
        let (Some(ends), Some((client, deadline))) = (self.behaviour.ends, &connection.life) else {
            return;
        };
        if let Some(end) = self.away.remove(client) {
            self.log.ends[end].back = Some(now);
        }
        let after = nanoseconds(ends.after(self.log.exchanges.len() as u64));
        let at = deadline.saturating_add_unsigned(after);
        if let Ok(at) = u64::try_from(at) {
            self.due.push(Reverse((at, place, connection.generation, Task::End)));
        }
    }

    /// Answers an AUTH by success, without properties (MQTT 5.0, 3.15.2.1).
    fn succeed(&mut self, place: usize, arrived: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        if send(&connection.socket, &[0xF0, 0], SendFlags::NOSIGNAL).is_ok() {
            self.log.auths.push(Exchange { arrived, answered: self.clock.now() });
        }
    }

    /// Ends a connection since its token has ended: in 5.0 by DISCONNECT 0x87 (MQTT 5.0, 3.14).
    fn end(&mut self, place: usize) {
        let connection = self.connections.remove(place);
        let Some((client, deadline)) = connection.life else { return };
        if connection.level == 5 {
            // Whoever has left has seen no end.
            if send(&connection.socket, &[0xE0, 1, 0x87], SendFlags::NOSIGNAL).is_err() {
                return;
            }
        }
        self.away.insert(client, self.log.ends.len());
        self.log.ends.push(End { deadline, at: self.clock.now(), back: None });
    }
}

/// Who sends a CONNECT, and when its token ends by this clock; `None` where that is not to be read.
fn life(connect: &Connect<'_>, clock: Clock) -> Option<(Vec<u8>, i64)> {
    let &Connect { client_id, password, .. } = connect;
    let exp = Foreign::read(password?).moment("exp")?;
    Some((client_id.to_vec(), clock.at_wall(of_date(exp))))
}

/// Length of the first packet, once it is whole (MQTT 5.0, 2.1.4).
fn packet_length(bytes: &[u8]) -> Option<usize> {
    let (mut length, mut shift) = (0_usize, 0);
    for (at, byte) in bytes.iter().enumerate().skip(1).take(4) {
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let whole = at + 1 + length;
            return (bytes.len() >= whole).then_some(whole);
        }
    }
    None
}

#[cfg(test)]
mod tests;
