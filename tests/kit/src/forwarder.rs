//! A piece of network in front of one server, which can be cut for one account alone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{KitError, free_port};

/// How long a blocked reader may need to notice that the forwarder is gone.
const LOOK: Duration = Duration::from_millis(50);
/// Where the user name begins in a client's handshake response: the packet's heading, capabilities,
/// packet size, character set, and 23 unused bytes (MySQL's client/server protocol, 4.1).
const USER_AT: usize = 4 + 4 + 4 + 1 + 23;

/// Passes connections on to a server, except those of an account that is cut off.
///
/// Accounts are told apart by the handshake response, so their clients must not use TLS.
pub struct Forwarder {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The account whose bytes vanish.
    cut: Mutex<Option<String>>,
    end: AtomicBool,
}

impl Shared {
    fn is_cut(&self, user: &str) -> bool {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(user)
    }

    fn ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }
}

impl Forwarder {
    /// Listens on a free port of loopback and passes everything on to `to`, another port of it.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start(to: u16) -> Result<Self, KitError> {
        let port = free_port()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(KitError::io(format!("the forwarder cannot listen on port {port}")))?;
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.ended() {
                    return;
                }
                let shared = serving.clone();
                std::thread::spawn(move || serve(client, to, &shared));
            }
        });
        Ok(Self { port, shared })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` where it listens.
    pub fn key(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Lets every byte of `user` vanish from now on, in connections that stand and in new ones.
    pub fn cut(&self, user: &str) {
        *self.shared.cut.lock().unwrap_or_else(PoisonError::into_inner) = Some(user.to_owned());
    }

    /// Passes everything again; what vanished meanwhile stays gone, so clients have to reconnect.
    pub fn mend(&self) {
        *self.shared.cut.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let _ = TcpStream::connect_timeout(&here, LOOK); // wakes the listening thread, which then ends
    }
}

/// Passes one connection on until either side ends it.
fn serve(client: TcpStream, to: u16, shared: &Arc<Shared>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { return };
    for end in [&client, &server] {
        if end.set_read_timeout(Some(LOOK)).and_then(|()| end.set_nodelay(true)).is_err() {
            return;
        }
    }
    let user = Arc::new(Mutex::new(None));
    let (Ok(from_server), Ok(to_client)) = (server.try_clone(), client.try_clone()) else { return };
    let (answers, known) = (shared.clone(), user.clone());
    let back = std::thread::spawn(move || {
        pass(from_server, to_client, &answers, |_| known.lock().ok()?.clone());
    });
    pass(client, server, shared, |bytes| {
        let mut user = user.lock().ok()?;
        if user.is_none() {
            *user = user_of(bytes);
        }
        user.clone()
    });
    let _ = back.join(); // it ends with the other direction
}

/// Copies bytes until a side ends; `whose` tells the account, given the bytes on their way.
fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    shared: &Shared,
    whose: impl Fn(&[u8]) -> Option<String>,
) {
    let mut buffer = [0_u8; 16 * 1024];
    let mut vanished = false;
    while !shared.ended() {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if is_timeout(&error) => continue,
            Err(_) => break,
        };
        let bytes = &buffer[..count];
        let user = whose(bytes);
        vanished |= user.is_some_and(|user| shared.is_cut(&user));
        if !vanished && to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both); // it may have ended already
    let _ = to.shutdown(Shutdown::Both);
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock | Interrupted)
}

/// The account in a client's handshake response.
fn user_of(packet: &[u8]) -> Option<String> {
    let name = packet.get(USER_AT..)?;
    let end = name.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&name[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every message with the same bytes.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut buffer = [0; 256];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        stream.write_all(&buffer[..count]).unwrap();
                    }
                });
            }
        });
        port
    }

    fn login(port: u16, user: &str) -> TcpStream {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut packet = vec![1; USER_AT];
        packet.extend(user.bytes().chain([0]));
        stream.write_all(&packet).unwrap();
        stream
    }

    fn hears(stream: &mut TcpStream) -> bool {
        matches!(stream.read(&mut [0; 256]), Ok(1..))
    }

    #[test]
    fn only_the_account_that_is_cut_hears_nothing() {
        let forwarder = Forwarder::start(echo()).unwrap();
        let mut standing = login(forwarder.port(), "ham4db");
        assert!(hears(&mut standing), "before the cut");
        forwarder.cut("ham4db");
        standing.write_all(b"are you there").unwrap();
        assert!(!hears(&mut standing), "a standing connection");
        assert!(!hears(&mut login(forwarder.port(), "ham4db")), "a new connection");
        assert!(hears(&mut login(forwarder.port(), "repl")), "another account");
        forwarder.mend();
        assert!(hears(&mut login(forwarder.port(), "ham4db")), "after mending");
    }
}
