//! What can go wrong with a connection to a watched server.

use std::{fmt, io};

use ham4db_domain::checks::FailureKind;

use super::result::ResultSet;

/// An error message of the server itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ServerError {
    /// The server's error number, 1045 for instance.
    pub code: u16,
    /// Five characters; `None` from a server that turned the connection down before it was set up.
    pub sqlstate: Option<String>,
    /// The server's own words, at most 512 bytes by its protocol.
    pub message: String,
}

/// Why a connection could not be made, or failed, or a statement on it did.
///
/// After [`WireError::Server`] from a statement, and [`WireError::Statement`], the connection is
/// still good, unless the error says that the server closes it; after every other one it is not.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Nothing listens on the port.
    #[error("connection refused")]
    Refused,
    /// The connection was not made for another reason.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The server, or the network, ended the connection.
    #[error("connection lost")]
    Lost(#[source] io::Error),
    /// The server answered with an error.
    #[error(transparent)]
    Server(ServerError),
    /// One of several statements sent together failed; those after it did not run.
    #[error("statement {index}: {error}")]
    Statement {
        /// Which one failed, from 0.
        index: usize,
        /// What the server said.
        error: ServerError,
        /// The answers to the statements before it.
        before: Vec<ResultSet>,
    },
    /// TLS could not be agreed on, or was broken.
    #[error("no agreement on tls")]
    Tls(#[source] io::Error),
    /// The server does not offer TLS, and it is required.
    #[error("the server does not offer tls")]
    NoTls,
    /// The account's way of logging in is not known here.
    #[error("unsupported authentication plugin {0:?}")]
    AuthPlugin(String),
    /// What came is not what the protocol allows, or is larger than the limits.
    #[error("protocol violation: {0}")]
    Protocol(&'static str),
    /// An earlier exchange was cut short, so that answers could be taken for those of another question.
    #[error("connection is no longer usable")]
    Unusable,
}

impl WireError {
    /// The kind of failure as the rest of the program tells them apart.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Refused => FailureKind::Refused,
            Self::Connect(_) => FailureKind::Unreachable,
            Self::Lost(_) | Self::Unusable => FailureKind::ConnectionLost,
            Self::Server(error) | Self::Statement { error, .. } => error.kind(),
            Self::Tls(_) | Self::NoTls => FailureKind::Tls,
            Self::AuthPlugin(_) => FailureKind::AccessDenied,
            Self::Protocol(_) => FailureKind::Protocol,
        }
    }

    /// The server's error number, when it is the server who spoke.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Server(error) | Self::Statement { error, .. } => Some(error.code),
            Self::Refused
            | Self::Connect(_)
            | Self::Lost(_)
            | Self::Tls(_)
            | Self::NoTls
            | Self::AuthPlugin(_)
            | Self::Protocol(_)
            | Self::Unusable => None,
        }
    }

    /// Sorts an error of an attempt to connect.
    pub(super) fn connecting(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            _ => Self::Connect(error),
        }
    }

    /// Sorts an error of an established connection: rustls hides its own in [`io::Error`].
    pub(super) fn connected(error: io::Error) -> Self {
        match error.get_ref() {
            Some(inner) if inner.is::<rustls::Error>() => Self::Tls(error),
            _ => Self::Lost(error),
        }
    }
}

impl ServerError {
    /// Reads an ERR packet. `None` when it is not one.
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let [0xff, low, high, rest @ ..] = packet else { return None };
        let (sqlstate, message) = match rest {
            [b'#', state @ ..] if state.len() >= 5 => {
                let (state, message) = state.split_at(5);
                (Some(String::from_utf8_lossy(state).into_owned()), message)
            }
            message => (None, message),
        };
        let message = String::from_utf8_lossy(&message[..message.len().min(2048)]).into_owned();
        Some(Self { code: u16::from_le_bytes([*low, *high]), sqlstate, message })
    }

    /// The kind of failure that the number stands for.
    ///
    /// Numbers as in the servers' lists of messages; those from 4000 on differ between the families,
    /// and none below means something else in the other one.
    pub fn kind(&self) -> FailureKind {
        match self.code {
            1040 | 1203 | 1226 => FailureKind::TooManyConnections,
            // Denied to the account, the host, or both; password expired; account locked (MySQL, MariaDB).
            1044 | 1045 | 1129 | 1130 | 1251 | 1275 | 1524 | 1698 | 1820 | 1862 | 3118 | 3955
            | 4151 => FailureKind::AccessDenied,
            3159 => FailureKind::Tls,
            _ if self.ends_connection() => FailureKind::ConnectionLost,
            _ => FailureKind::Query,
        }
    }

    /// The server closes the connection after it has said this.
    pub fn ends_connection(&self) -> bool {
        // Shutdown (three), killed (MariaDB), idle for too long (MySQL), bad packets (four).
        matches!(self.code, 1053 | 1077 | 1079 | 1927 | 4031 | 1153 | 1156..=1159)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sqlstate {
            Some(state) => write!(f, "error {} ({state}): {}", self.code, self.message),
            None => write!(f, "error {}: {}", self.code, self.message),
        }
    }
}
