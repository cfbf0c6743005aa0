//! Listening: addresses, limits, and what to say when it cannot be done.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, middleware, web};

use super::dispatch::{Front, dispatch};
use super::state::State;

/// Where the front end listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `ListenAddress`: `:3000`, `host:3000`, `[::1]:3000`.
    Tcp(String),
    /// `ListenSocket`: a path.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "address {address}"),
            Self::Unix(path) => write!(f, "socket {}", path.display()),
        }
    }
}

/// Why the front end cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {at}: {}; {}", self.reason(), self.advice())]
pub struct ListenError {
    /// Where.
    at: Listen,
    /// What the system says.
    source: io::Error,
}

impl ListenError {
    fn reason(&self) -> String {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => "it is taken, another program listens there".to_owned(),
            _ => self.source.to_string(),
        }
    }

    /// What to do about it.
    fn advice(&self) -> &'static str {
        match (&self.at, self.source.kind()) {
            (Listen::Tcp(_), io::ErrorKind::AddrInUse) => {
                "stop it, or set ListenAddress to a free port"
            }
            (Listen::Tcp(_), io::ErrorKind::PermissionDenied) => {
                "set ListenAddress to a port above 1023"
            }
            (Listen::Tcp(_), _) => {
                "ListenAddress must be :port or an address of this machine with a port"
            }
            (Listen::Unix(_), io::ErrorKind::AddrInUse) => {
                "stop it, or set ListenSocket to another path"
            }
            (Listen::Unix(_), _) => {
                "ListenSocket must be a new path in a folder that this user may write to"
            }
        }
    }
}

/// Threads that serve HTTP.
const WORKERS: usize = 2;
/// Connections a worker holds at once.
const CONNECTIONS: usize = 2048;
/// How long a request's head may take to arrive.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// How long open requests may take to end when the server stops, in seconds.
const STOP_LIMIT_S: u64 = 5;

/// An address that is ours; nobody is answered yet.
#[derive(Debug)]
pub struct Bound {
    at: Listen,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.at.fmt(f)
    }
}

/// Takes the address, before anything else is begun that a taken address would make vain.
///
/// # Errors
/// When the address cannot be taken.
pub fn bind(at: &Listen) -> Result<Bound, ListenError> {
    let socket = match at {
        Listen::Tcp(address) => bind_tcp(address).map(Socket::Tcp),
        Listen::Unix(path) => bind_unix(path).map(Socket::Unix),
    };
    let socket = socket.map_err(|source| ListenError { at: at.clone(), source })?;
    Ok(Bound { at: at.clone(), socket })
}

/// Begins to answer, for as long as the returned server is awaited. Signals are the caller's.
///
/// # Errors
/// When the system refuses to listen after all.
pub fn listen(bound: Bound, state: State) -> Result<Server, ListenError> {
    let front = web::Data::new(Front::new(state));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(front.clone())
            .wrap(middleware::Compress::default())
            .default_service(web::to(dispatch))
    })
    .workers(WORKERS)
    .max_connections(CONNECTIONS)
    .client_request_timeout(REQUEST_LIMIT)
    .keep_alive(IDLE_LIMIT)
    .shutdown_timeout(STOP_LIMIT_S)
    .disable_signals();
    let Bound { at, socket } = bound;
    let listening = match socket {
        Socket::Tcp(listener) => server.listen(listener),
        Socket::Unix(listener) => server.listen_uds(listener),
    };
    listening.map(HttpServer::run).map_err(|source| ListenError { at, source })
}

/// Binds a socket file; what a process that is gone left there is taken away.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "a file is there already",
                ));
            }
            if UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// Binds an address; without a host, all addresses of the machine, IPv6 and IPv4.
fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    match address.strip_prefix(':') {
        Some(port) => match TcpListener::bind(format!("[::]:{port}")) {
            // A machine without IPv6.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(format!("0.0.0.0:{port}"))
            }
            bound => bound,
        },
        None => TcpListener::bind(address),
    }
}
