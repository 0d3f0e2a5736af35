//! The bytes of one attempt, sent and read by somebody who waits for them.

use std::{io, os::fd::AsFd, sync::Arc};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    base::clock::{Clock, SECOND},
    client::{
        OwnPart, Progress, Received,
        attempt::{Close, Outcome, Phase},
        link::Link,
        packet::{CONTINUE, FirstPacket, authentication_of, put_auth},
        socket::{Sent, failed},
        transport::Transport,
    },
    scenario::Protocol,
};

/// Bytes that are read at once.
const INBOX: usize = 16 * 1024;

/// One attempt on its way.
#[derive(Debug)]
pub(super) struct Wire {
    clock: Clock,
    /// When nobody waits any longer.
    end: u64,
    protocol: Protocol,
    /// The authentication method of its CONNECT.
    method: Option<Arc<str>>,
    pub(super) received: Vec<u8>,
    /// When the packet was sent; when the answer was there.
    pub(super) sent_at: u64,
    pub(super) ended: u64,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<String>,
}

impl Wire {
    pub(super) fn new(
        clock: Clock,
        end: u64,
        protocol: Protocol,
        method: Option<Arc<str>>,
    ) -> Self {
        let now = clock.now();
        Self {
            clock,
            end,
            protocol,
            method,
            received: Vec::new(),
            sent_at: now,
            ended: now,
            outcome: Outcome::Timeout(Phase::TcpConnect),
            reason: None,
        }
    }

    /// There is no connection.
    pub(super) fn not_reached(&mut self, error: &io::Error) {
        self.ended = self.clock.now();
        if let Some(errno) = rustix::io::Errno::from_io_error(error) {
            self.outcome = failed(errno);
        }
    }

    /// Goes through the layers, sends the packet, and reads until it is known how the attempt ends.
    pub(super) fn attempt(
        &mut self,
        mut link: Link,
        transport: &Transport,
        own: OwnPart<'_>,
        packet: &[u8],
    ) {
        let ended = self
            .layers(&mut link, transport, own)
            .and_then(|()| self.send(&mut link, packet))
            .and_then(|()| self.answered(&mut link, packet));
        self.ended = self.clock.now();
        self.outcome = match ended {
            Ok(outcome) | Err(outcome) => outcome,
        };
    }

    fn layers(
        &self,
        link: &mut Link,
        transport: &Transport,
        own: OwnPart<'_>,
    ) -> Result<(), Outcome> {
        if transport.is_plain() {
            return Ok(());
        }
        while let Sent::Later = match link.begin(transport, own) {
            Sent::Failed(error) => return Err(failed(error)),
            sent => sent,
        } {
            self.wait(link, Phase::TcpConnect)?;
        }
        if transport.tls.is_some() {
            self.until_done(link, Phase::TlsHandshake, Link::secure)?;
        }
        if transport.ws.is_some() {
            self.until_done(link, Phase::WsUpgrade, Link::upgrade)?;
        }
        Ok(())
    }

    fn until_done(
        &self,
        link: &mut Link,
        phase: Phase,
        goes_on: fn(&mut Link) -> Progress,
    ) -> Result<(), Outcome> {
        loop {
            match goes_on(link) {
                Progress::Done => return Ok(()),
                Progress::Failed(outcome) => return Err(outcome),
                Progress::Later => self.wait(link, phase)?,
            }
        }
    }

    fn send(&mut self, link: &mut Link, packet: &[u8]) -> Result<(), Outcome> {
        let mut left = packet;
        loop {
            let sent = if left.is_empty() { link.flush() } else { link.send(left) };
            match sent {
                Sent::Bytes(_) if left.is_empty() => break,
                Sent::Bytes(count) => left = &left[count..],
                Sent::Later => self.wait(link, Phase::Connack)?,
                // A broker that has closed may have said why before.
                Sent::Failed(_) => break,
            }
        }
        self.sent_at = self.clock.now();
        Ok(())
    }

    fn answered(&mut self, link: &mut Link, packet: &[u8]) -> Result<Outcome, Outcome> {
        let mut inbox = vec![0; INBOX];
        let mut is_challenged = false;
        let mut read_to = 0;
        loop {
            match link.receive(&mut inbox) {
                Received::Bytes(count, _) => self.received.extend_from_slice(&inbox[..count]),
                Received::Later => {
                    self.wait(link, Phase::Connack)?;
                    link.wake(false, self.clock.now());
                    continue;
                }
                Received::Closed(Close::Fin) if self.received.len() > read_to => {
                    return Err(Outcome::Closed(Close::FinInPacket));
                }
                Received::Closed(close) => return Err(Outcome::Closed(close)),
                Received::Failed(outcome) => return Err(outcome),
            }
            match FirstPacket::read(&self.received[read_to..], self.protocol) {
                FirstPacket::Incomplete => {}
                FirstPacket::Connack(connack, _) => {
                    self.reason = connack.reason_string.map(str::to_owned);
                    return Ok(match connack.code {
                        0 => Outcome::Accepted,
                        code => Outcome::Refused(code),
                    });
                }
                FirstPacket::Auth(auth, length)
                    if auth.code == CONTINUE && self.method.is_some() && !is_challenged =>
                {
                    is_challenged = true;
                    read_to += length;
                    let mut answer = Vec::new();
                    put_auth(CONTINUE, authentication_of(packet), &mut answer);
                    self.send(link, &answer)?;
                }
                FirstPacket::Auth(..) => return Err(Outcome::ProtocolError("auth_continue")),
                FirstPacket::Disconnect(code) if code >= 0x80 && self.method.is_some() => {
                    return Ok(Outcome::Refused(code));
                }
                FirstPacket::Disconnect(_) => {
                    return Err(Outcome::ProtocolError("another_packet"));
                }
                FirstPacket::Wrong(what) => return Err(Outcome::ProtocolError(what)),
            }
        }
    }

    /// Waits until the socket has or takes something.
    fn wait(&self, link: &Link, phase: Phase) -> Result<(), Outcome> {
        let left = self.end.saturating_sub(self.clock.now());
        let timeout = Timespec {
            tv_sec: (left / SECOND).cast_signed(),
            tv_nsec: (left % SECOND).cast_signed(),
        };
        // Room in the socket is there at once, mostly: where it was not asked for, it would only wake us.
        let flags =
            if phase == Phase::Connack { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut asked = [PollFd::from_borrowed_fd(link.socket().as_fd(), flags)];
        match poll(&mut asked, Some(&timeout)) {
            Ok(0) => Err(Outcome::Timeout(phase)),
            _ => Ok(()),
        }
    }
}
