//! The one connection that ham4db holds to each watched server.
//!
//! Packets, flags and logins are those of `mysql_common`; socket, TLS and the exchange of packets are
//! ours, for two things that no client library offers: an idle connection tells at once that the
//! server closed it ([`Connection::closed`]), which is how a crash is noticed in milliseconds, and
//! several statements go out and come back in one round trip while each fails on its own
//! ([`Connection::query_each`]).
//!
//! Nothing here but connecting knows a time-out: callers put a deadline round what they do. A future that is dropped
//! leaves nothing running; if it was in the middle of an exchange, the connection refuses further use.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::FutureExt;
use mysql_common::{
    constants::{CapabilityFlags, Command, StatusFlags},
    io::ParseBuf,
};

mod auth;
mod channel;
mod error;
#[cfg(test)]
mod hostile;
mod login;
mod result;
mod tls;

pub use error::{ServerError, WireError};
pub use result::{Column, ResultSet, Row};
pub use tls::{TlsFiles, TlsSettings, TlsSettingsError};

use channel::{Channel, push_frame};

/// Statements are sent ahead of their answers up to this size, so that neither side can be stuck
/// writing while the other one is as well.
const AHEAD_BYTES: usize = 16 << 10;

/// What a cell and an answer take here beside their text.
const CELL_BYTES: usize = 8;
const ANSWER_BYTES: usize = 128;

/// A server, and how to log in to it. The address is told apart from the name: resolving is the caller's.
#[derive(Clone)]
pub struct Target {
    /// The name that the server's certificate must bear.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// The account.
    pub user: String,
    /// Its password; may be empty.
    pub password: String,
    /// Whether to use TLS.
    pub tls: TlsMode,
    /// Longest wait for the connection to be taken. A host that is gone is told apart from a server that hangs by
    /// this: the callers' deadline covers both.
    pub connect_limit: Duration,
}

/// When TLS is used.
#[derive(Debug, Clone)]
pub enum TlsMode {
    /// Never.
    Off,
    /// Once the server refuses a login without it, or to send a password that its hash cannot
    /// stand for. In the latter case the server's RSA key serves when TLS cannot be agreed on.
    IfNeeded(Arc<TlsSettings>),
    /// Always.
    Required(Arc<TlsSettings>),
}

/// A session with a server.
pub struct Connection {
    channel: Channel,
    capabilities: CapabilityFlags,
    id: u32,
    server_version: String,
    /// Nothing is under way, and nothing went wrong.
    usable: bool,
}

/// Whether a statement's answer is followed by another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follows {
    More,
    Nothing,
}

type Answer = Result<(ResultSet, Follows), ServerError>;

impl Connection {
    /// Connects to `addr` and logs in.
    ///
    /// # Errors
    /// All that [`WireError`] knows, but `Statement` and `Unusable`.
    pub async fn open(target: &Target, addr: SocketAddr) -> Result<Self, WireError> {
        let login::Session { mut channel, capabilities, id, server_version } =
            login::login(target, addr).await?;
        channel.rest();
        Ok(Self { channel, capabilities, id, server_version, usable: true })
    }

    /// The server's number for this connection, as its process list shows it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The version as the server's greeting tells it; MariaDB may put `5.5.5-` before it.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// The session runs within TLS.
    pub fn is_tls(&self) -> bool {
        self.channel.is_tls()
    }

    /// The connection can be used; once it cannot, it never will again.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Runs one or more statements, parted by `;`, and gives one answer each.
    ///
    /// # Errors
    /// The first statement that fails ends the run: as `Server` when it is the first of all, else as
    /// `Statement`.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<ResultSet>, WireError> {
        self.begin()?;
        self.channel.begin();
        let mut frame = Vec::with_capacity(sql.len() + 5);
        push_query(&mut frame, sql)?;
        self.channel.write(&frame).await?;
        self.channel.expect_answer();
        let mut sets = Vec::new();
        loop {
            match self.answer().await? {
                Ok((set, follows)) => {
                    sets.push(set);
                    if follows == Follows::Nothing {
                        self.end();
                        return Ok(sets);
                    }
                }
                Err(error) => {
                    if !error.ends_connection() {
                        self.end();
                    }
                    return Err(match sets.len() {
                        0 => WireError::Server(error),
                        index => WireError::Statement { index, error, before: sets },
                    });
                }
            }
        }
    }

    /// Runs statements in order, in one round trip; each gives its answer or fails on its own.
    ///
    /// All five families of servers work through commands that were sent ahead in their order.
    /// Of a statement that gives several results the first is kept.
    ///
    /// # Errors
    /// When the connection fails, or the server says that it closes it: then it is not known which
    /// statements ran.
    pub async fn query_each(
        &mut self,
        sqls: &[&str],
    ) -> Result<Vec<Result<ResultSet, ServerError>>, WireError> {
        self.begin()?;
        self.channel.begin();
        let mut answers = Vec::with_capacity(sqls.len());
        let mut frames = Vec::new();
        let mut rest = sqls.iter().peekable();
        while rest.peek().is_some() {
            frames.clear();
            let mut sent = 0;
            while let Some(sql) =
                rest.next_if(|sql| sent == 0 || frames.len() + sql.len() < AHEAD_BYTES)
            {
                push_query(&mut frames, sql)?;
                sent += 1;
            }
            self.channel.write(&frames).await?;
            for _ in 0..sent {
                answers.push(self.first_answer().await?);
            }
        }
        self.end();
        Ok(answers)
    }

    /// Asks for a sign of life.
    pub async fn ping(&mut self) -> Result<(), WireError> {
        self.begin()?;
        self.channel.write(&[1, 0, 0, 0, Command::COM_PING as u8]).await?;
        self.channel.expect_answer();
        let packet = self.channel.receive().await?;
        match ServerError::parse(packet) {
            Some(error) => Err(WireError::Server(error)),
            None if packet.first() == Some(&0) => {
                self.end();
                Ok(())
            }
            None => Err(WireError::Protocol("answer to a ping")),
        }
    }

    /// Waits, while the connection is idle, until the server closes it or speaks unasked, and says why.
    ///
    /// Some servers tell the reason: error 1053 when they shut down, 4031 when the session was idle
    /// for too long. A server that is killed says nothing; its kernel closes the connection.
    ///
    /// The future may be dropped at any time and the connection used on.
    pub async fn closed(&mut self) -> WireError {
        if !self.usable {
            return WireError::Unusable;
        }
        let reason = loop {
            if let Some(reason) = self.channel.unasked() {
                break reason;
            }
            if let Err(reason) = self.channel.fill().await {
                break reason;
            }
        };
        self.usable = false;
        reason
    }

    /// Begins an exchange. Until [`Connection::end`] the connection counts as broken.
    fn begin(&mut self) -> Result<(), WireError> {
        if !self.usable {
            return Err(WireError::Unusable);
        }
        self.usable = false;
        match self.channel.unasked() {
            Some(reason) => Err(reason),
            None if self.channel.is_drained() => Ok(()),
            None => Err(WireError::Protocol("packet out of turn")),
        }
    }

    /// Ends an exchange in which every answer was read.
    fn end(&mut self) {
        self.channel.rest();
        self.usable = true;
    }

    /// The first answer to a statement; those that follow it are read and dropped.
    async fn first_answer(&mut self) -> Result<Result<ResultSet, ServerError>, WireError> {
        self.channel.expect_answer();
        let mut first = None;
        loop {
            match self.answer().await? {
                Ok((set, Follows::More)) => {
                    first.get_or_insert(set);
                }
                Ok((set, Follows::Nothing)) => return Ok(Ok(first.unwrap_or(set))),
                Err(error) if error.ends_connection() => return Err(WireError::Server(error)),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    async fn answer(&mut self) -> Result<Answer, WireError> {
        self.channel.spend(ANSWER_BYTES)?;
        let packet = self.channel.receive().await?;
        match packet.first() {
            Some(0x00) => {
                let follows = follows_ok(packet).ok_or(WireError::Protocol("ok packet"))?;
                return Ok(Ok((ResultSet::default(), follows)));
            }
            Some(0xff) => {
                let error = ServerError::parse(packet);
                return error.map(Err).ok_or(WireError::Protocol("error packet"));
            }
            _ => {}
        }
        let columns = ResultSet::column_count(packet)?;
        let mut set = ResultSet::default();
        for _ in 0..columns {
            set.push_column(self.channel.receive().await?)?;
            self.channel.spend(CELL_BYTES)?;
        }
        let old = !self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF);
        if old && self.channel.receive().await?.first() != Some(&0xfe) {
            return Err(WireError::Protocol("end of columns"));
        }
        loop {
            self.channel.spend(CELL_BYTES * set.width())?;
            let packet = self.channel.receive().await?;
            match packet.first() {
                Some(0xfe) => {
                    let follows = if old { follows_eof(packet) } else { follows_ok(packet) };
                    let follows = follows.ok_or(WireError::Protocol("end of rows"))?;
                    return Ok(Ok((set, follows)));
                }
                Some(0xff) => {
                    let error = ServerError::parse(packet);
                    return error.map(Err).ok_or(WireError::Protocol("error packet"));
                }
                _ => set.push_row(packet)?,
            }
        }
    }
}

fn push_query(frames: &mut Vec<u8>, sql: &str) -> Result<(), WireError> {
    push_frame(frames, 0, &[&[Command::COM_QUERY as u8], sql.as_bytes()])
}

/// Reads the status of an OK packet, which may also end rows.
fn follows_ok(packet: &[u8]) -> Option<Follows> {
    let mut rest = ParseBuf(packet);
    rest.checked_eat_u8()?;
    let _affected_rows = rest.checked_eat_lenenc_int()?;
    let _last_insert_id = rest.checked_eat_lenenc_int()?;
    rest.checked_eat_u16_le().map(follows)
}

/// Reads the status of an EOF packet, as servers before 5.7 (MariaDB: 10.2) send it.
fn follows_eof(packet: &[u8]) -> Option<Follows> {
    let mut rest = ParseBuf(packet);
    rest.checked_eat_u24_le()?; // header and warnings
    rest.checked_eat_u16_le().map(follows)
}

fn follows(status: u16) -> Follows {
    let status = StatusFlags::from_bits_truncate(status);
    if status.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS) {
        Follows::More
    } else {
        Follows::Nothing
    }
}

impl Drop for Connection {
    /// Says goodbye if that needs no waiting, so that the server does not count an aborted client.
    fn drop(&mut self) {
        if self.usable {
            let quit = [1, 0, 0, 0, Command::COM_QUIT as u8];
            let _ = self.channel.write(&quit).now_or_never();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("server_version", &self.server_version)
            .field("tls", &self.is_tls())
            .field("usable", &self.usable)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{} ({:?})", self.user, self.host, self.port, self.tls)
    }
}
