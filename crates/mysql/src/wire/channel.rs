//! Packets over a socket, with or without TLS.

use std::{io, ops::Range};

use mysql_common::constants::MAX_PAYLOAD_LEN;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::error::{ServerError, WireError};

/// The most that one exchange may bring, counted as it is stored here.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The most that a login may bring, or an idle server say; a stranger's banner is seldom mistaken for something smaller.
const MAX_UNTRUSTED_BYTES: usize = 64 << 10;

/// Room for an answer; most polls fit in at once.
const ANSWER_ROOM_BYTES: usize = 16 << 10;

/// Room for a login, the answer to a ping, or what a server says unasked.
const IDLE_ROOM_BYTES: usize = 512;

const TOO_LARGE: WireError = WireError::Protocol("answer too large");

const HEADER_BYTES: usize = 4;

/// Reads and writes packets. A packet of 16 MiB or more is refused in both directions.
pub(super) struct Channel {
    stream: Stream,
    inbox: Vec<u8>,
    /// How much of `inbox` has been handed out.
    taken: usize,
    /// The number that the next packet must bear, sent or received.
    sequence: u8,
    /// How much to make room for when reading.
    room: usize,
    /// How many bytes the present exchange may still bring.
    budget: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Channel {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::new(Stream::Plain(stream), 0)
    }

    /// Goes on in TLS after the packets that agreed on it.
    pub(super) fn tls(stream: TlsStream<TcpStream>, sequence: u8) -> Self {
        Self::new(Stream::Tls(Box::new(stream)), sequence)
    }

    fn new(stream: Stream, sequence: u8) -> Self {
        Self {
            stream,
            inbox: Vec::new(),
            taken: 0,
            sequence,
            room: IDLE_ROOM_BYTES,
            budget: MAX_UNTRUSTED_BYTES,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// The bare socket and the next sequence number, for TLS to begin.
    ///
    /// # Errors
    /// When something came already that only TLS may protect, or TLS is on.
    pub(super) fn into_plain(self) -> Result<(TcpStream, u8), WireError> {
        match self.stream {
            Stream::Plain(stream) if self.taken == self.inbox.len() => Ok((stream, self.sequence)),
            Stream::Plain(_) | Stream::Tls(_) => Err(WireError::Protocol("packet before tls")),
        }
    }

    /// Sends one packet of a dialogue.
    pub(super) async fn send(&mut self, payload: &[u8]) -> Result<(), WireError> {
        let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
        push_frame(&mut frame, self.sequence, &[payload])?;
        self.sequence = self.sequence.wrapping_add(1);
        self.write(&frame).await
    }

    /// Allows for the answers of a new exchange.
    pub(super) fn begin(&mut self) {
        self.room = ANSWER_ROOM_BYTES;
        self.budget = MAX_ANSWER_BYTES;
    }

    /// The answer to the next command begins.
    pub(super) fn expect_answer(&mut self) {
        self.sequence = 1;
    }

    /// Sends whole packets as they are.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => match stream.write_all(bytes).await {
                Ok(()) => stream.flush().await,
                Err(error) => Err(error),
            },
        };
        written.map_err(WireError::connected)
    }

    /// The payload of the next packet.
    pub(super) async fn receive(&mut self) -> Result<&[u8], WireError> {
        let payload = loop {
            match self.buffered()? {
                Some(payload) => break payload,
                None => self.fill().await?,
            }
        };
        self.spend(HEADER_BYTES + payload.len())?;
        self.taken = payload.end;
        let sequence = self.inbox[payload.start - 1];
        let packet = &self.inbox[payload];
        // A server that gives the connection up does not count on.
        if sequence != self.sequence && packet.first() != Some(&0xff) {
            return Err(WireError::Protocol("packets out of order"));
        }
        self.sequence = sequence.wrapping_add(1);
        Ok(packet)
    }

    /// Takes `bytes` off what this exchange may still bring.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), WireError> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or(TOO_LARGE)?;
        Ok(())
    }

    /// What came although nothing was asked for, if anything did.
    pub(super) fn unasked(&self) -> Option<WireError> {
        match self.buffered() {
            Ok(None) => None,
            Err(error) => Some(error),
            Ok(Some(payload)) => Some(match ServerError::parse(&self.inbox[payload]) {
                Some(error) => WireError::Server(error),
                None => WireError::Protocol("packet out of turn"),
            }),
        }
    }

    /// Nothing has come that was not taken.
    pub(super) fn is_drained(&self) -> bool {
        self.taken == self.inbox.len()
    }

    /// Ends an exchange. Gives back the memory it took: there may be thousands of connections.
    pub(super) fn rest(&mut self) {
        self.room = IDLE_ROOM_BYTES;
        self.budget = MAX_UNTRUSTED_BYTES;
        if self.is_drained() && self.inbox.capacity() > IDLE_ROOM_BYTES {
            self.inbox = Vec::new();
            self.taken = 0;
        }
    }

    /// Where in the inbox the next payload lies, once it is there in full. A packet that is too large
    /// is refused before it has come.
    fn buffered(&self) -> Result<Option<Range<usize>>, WireError> {
        let [a, b, c, _, payload @ ..] = &self.inbox[self.taken..] else { return Ok(None) };
        let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        if length == MAX_PAYLOAD_LEN {
            return Err(WireError::Protocol("packet of 16 MiB or more"));
        }
        if length > self.budget {
            return Err(TOO_LARGE);
        }
        let start = self.taken + HEADER_BYTES;
        Ok((payload.len() >= length).then_some(start..start + length))
    }

    /// Waits for bytes and takes them in. Nothing is lost when the future is dropped.
    pub(super) async fn fill(&mut self) -> Result<(), WireError> {
        if self.inbox.capacity() - self.inbox.len() < self.room {
            self.inbox.drain(..self.taken);
            self.taken = 0;
            self.inbox.reserve(self.room);
        }
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read_buf(&mut self.inbox).await,
            Stream::Tls(stream) => stream.read_buf(&mut self.inbox).await,
        };
        match read {
            Ok(0) => Err(WireError::Lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(WireError::connected(error)),
        }
    }
}

/// Appends a packet made of `parts` to `frames`.
pub(super) fn push_frame(
    frames: &mut Vec<u8>,
    sequence: u8,
    parts: &[&[u8]],
) -> Result<(), WireError> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let header = u32::try_from(length).ok().filter(|_| length < MAX_PAYLOAD_LEN);
    let [a, b, c, _] =
        header.ok_or(WireError::Protocol("statement of 16 MiB or more"))?.to_le_bytes();
    frames.extend_from_slice(&[a, b, c, sequence]);
    for part in parts {
        frames.extend_from_slice(part);
    }
    Ok(())
}
