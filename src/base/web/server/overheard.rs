//! A connection whose requests are heard line by line as they come, and which ends where nobody takes what is sent.

use std::{
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::Site;

/// How long it may be until some of an answer is taken.
const STALLED: Duration = Duration::from_secs(10);
/// Longest first line that is heard, in bytes; of longer ones the beginning is.
const LONGEST_LINE: usize = 2048;

pub(super) struct Overheard<S: Site> {
    stream: TcpStream,
    from: SocketAddr,
    site: Arc<S>,
    lines: Lines,
    /// Runs while nothing can be sent.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: Site> Overheard<S> {
    pub(super) fn new(stream: TcpStream, from: SocketAddr, site: Arc<S>) -> Self {
        Self { stream, from, site, lines: Lines::default(), stalled: None }
    }

    /// What came of sending; an error where nothing could be sent for too long.
    fn sent(
        &mut self,
        sent: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: Site> Drop for Overheard<S> {
    fn drop(&mut self) {
        // A line that was broken off was said all the same.
        if let Some(line) = self.lines.rest() {
            self.site.hears(line, self.from);
        }
    }
}

impl<S: Site> AsyncRead for Overheard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, into))?;
        let (site, from) = (&this.site, this.from);
        this.lines.take(&into.filled()[before..], |line| site.hears(line, from));
        Poll::Ready(Ok(()))
    }
}

impl<S: Site> AsyncWrite for Overheard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.sent(sent, context)
    }

    // Else the library copies each page once for each who asks.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.sent(sent, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Finds the first lines of requests in what comes of a connection (RFC 9112, 2.1).
#[derive(Debug, Default)]
struct Lines {
    place: Place,
    /// What has come of the line under way, as far as it is kept.
    line: Vec<u8>,
    has_body: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Place {
    /// In the first line of a request, or in empty lines before it.
    #[default]
    First,
    /// In a line after it.
    Header,
    /// In the body of a request: nothing after it is read.
    Body,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], mut hears: impl FnMut(&[u8])) {
        for byte in bytes {
            match (self.place, byte) {
                (Place::Body, _) => return,
                (_, b'\n') => self.end_of_line(&mut hears),
                _ if self.line.len() < LONGEST_LINE => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn end_of_line(&mut self, hears: &mut impl FnMut(&[u8])) {
        let line = self.line.trim_ascii();
        match self.place {
            Place::First if line.is_empty() => {}
            Place::First => {
                hears(line);
                self.place = Place::Header;
            }
            // The end of the head.
            Place::Header if line.is_empty() => {
                self.place = if self.has_body { Place::Body } else { Place::First };
            }
            Place::Header => self.has_body |= announces_body(line),
            Place::Body => {}
        }
        self.line.clear();
    }

    /// The first line of a request that never came to its end.
    fn rest(&self) -> Option<&[u8]> {
        (self.place == Place::First).then(|| self.line.trim_ascii()).filter(|line| !line.is_empty())
    }
}

/// Whether a line says that a body may follow the head (RFC 9112, 6): also one of no length, since each way to write 0 would
/// be one to be misunderstood. After such a request the server ends the connection.
fn announces_body(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"transfer-encoding") || name.eq_ignore_ascii_case(b"content-length")
}

#[cfg(test)]
mod tests;
