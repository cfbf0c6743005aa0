//! From a TCP connection to a session.

use std::{collections::HashMap, io, net::SocketAddr};

use mysql_common::{
    constants::CapabilityFlags,
    io::ParseBuf,
    packets::{AuthPlugin, HandshakeResponse, SslRequest},
    proto::MySerialize,
};
use tokio::{net::TcpStream, time::timeout};

use super::{
    Target, TlsMode, TlsSettings,
    auth::{self, NONCE_BYTES},
    channel::Channel,
    error::{ServerError, WireError},
};

/// `utf8mb4_general_ci`: known to all servers since 5.5.3.
const COLLATION: u8 = 45;

/// The largest packet we may send or get, as the server is told: 16 MiB less one byte.
const MAX_PACKET: u32 = (1 << 24) - 1;

/// No login takes more packets; a server that goes on would keep us for ever.
const MAX_LOGIN_PACKETS: u32 = 10;

/// A session that has just begun.
pub(super) struct Session {
    pub(super) channel: Channel,
    pub(super) capabilities: CapabilityFlags,
    pub(super) id: u32,
    pub(super) server_version: String,
}

/// What to do about TLS in one attempt to log in.
#[derive(Clone, Copy)]
enum Security<'a> {
    Plain,
    /// Plain, as long as the password need not be sent.
    PlainAtFirst,
    Tls(&'a TlsSettings),
}

/// Why an attempt without TLS should be followed by one with it.
enum NeedsTls {
    /// The server, or the account perhaps, wants it: both say so by an error.
    Refused(WireError),
    /// The password has to be sent.
    Password,
}

enum Attempt {
    Done(Session),
    NeedsTls(NeedsTls),
}

/// Logs in, in one attempt or, when TLS is used only if needed, in up to three.
pub(super) async fn login(target: &Target, addr: SocketAddr) -> Result<Session, WireError> {
    let (first, settings) = match &target.tls {
        TlsMode::Off => (Security::Plain, None),
        TlsMode::IfNeeded(settings) => (Security::PlainAtFirst, Some(settings)),
        TlsMode::Required(settings) => (Security::Tls(settings), None),
    };
    let reason = match (attempt(target, addr, first).await?, settings) {
        (Attempt::Done(session), _) => return Ok(session),
        (Attempt::NeedsTls(reason), Some(settings)) => {
            match attempt(target, addr, Security::Tls(settings)).await {
                Ok(Attempt::Done(session)) => return Ok(session),
                Err(WireError::Tls(error)) => (reason, WireError::Tls(error)),
                Err(error) => return Err(error),
                Ok(Attempt::NeedsTls(reason)) => (reason, WireError::NoTls),
            }
        }
        (Attempt::NeedsTls(reason), None) => (reason, WireError::NoTls),
    };
    match reason {
        // Perhaps it was the password after all; a certificate must not hide that.
        (NeedsTls::Refused(error), _) if error.code() == Some(1045) => Err(error),
        (NeedsTls::Refused(_), tls) => Err(tls),
        (NeedsTls::Password, tls) => match attempt(target, addr, Security::Plain).await? {
            Attempt::Done(session) => Ok(session),
            Attempt::NeedsTls(_) => Err(tls),
        },
    }
}

async fn attempt(
    target: &Target,
    addr: SocketAddr,
    security: Security<'_>,
) -> Result<Attempt, WireError> {
    let stream = timeout(target.connect_limit, TcpStream::connect(addr))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(WireError::connecting)?;
    stream.set_nodelay(true).map_err(WireError::connecting)?;
    let mut channel = Channel::plain(stream);
    let packet = channel.receive().await?;
    if let Some(error) = ServerError::parse(packet) {
        return Err(WireError::Server(error));
    }
    let greeting = Greeting::parse(packet).ok_or(WireError::Protocol("greeting"))?;
    let mut capabilities = greeting.common_capabilities()?;
    let offers_tls = greeting.capabilities.contains(CapabilityFlags::CLIENT_SSL);
    if let Security::Tls(settings) = security {
        if !offers_tls {
            return Err(WireError::NoTls);
        }
        capabilities |= CapabilityFlags::CLIENT_SSL;
        channel = start_tls(channel, capabilities, settings, &target.host).await?;
    }
    let full = match security {
        Security::PlainAtFirst if offers_tls => PasswordBy::Tls,
        Security::PlainAtFirst | Security::Plain => PasswordBy::Rsa,
        Security::Tls(_) => PasswordBy::PlainText,
    };
    match authenticate(&mut channel, target, &greeting, capabilities, full).await {
        Ok(Authenticated::Yes) => Ok(Attempt::Done(Session {
            channel,
            capabilities,
            id: greeting.id,
            server_version: greeting.server_version,
        })),
        Ok(Authenticated::NeedsTls) => Ok(Attempt::NeedsTls(NeedsTls::Password)),
        Err(error) => match (security, error.code()) {
            (Security::PlainAtFirst, Some(1045 | 3159)) if offers_tls => {
                Ok(Attempt::NeedsTls(NeedsTls::Refused(error)))
            }
            _ => Err(error),
        },
    }
}

async fn start_tls(
    mut channel: Channel,
    capabilities: CapabilityFlags,
    settings: &TlsSettings,
    host: &str,
) -> Result<Channel, WireError> {
    let mut request = Vec::new();
    SslRequest::new(capabilities, MAX_PACKET, COLLATION).serialize(&mut request);
    channel.send(&request).await?;
    let (stream, sequence) = channel.into_plain()?;
    Ok(Channel::tls(settings.connect(host, stream).await?, sequence))
}

/// How to send the password when its hash is not enough.
#[derive(Clone, Copy)]
enum PasswordBy {
    /// Not now: in another attempt, within TLS.
    Tls,
    /// Encrypted with the server's key.
    Rsa,
    /// As it is, within TLS.
    PlainText,
}

enum Authenticated {
    Yes,
    NeedsTls,
}

async fn authenticate(
    channel: &mut Channel,
    target: &Target,
    greeting: &Greeting,
    capabilities: CapabilityFlags,
    full: PasswordBy,
) -> Result<Authenticated, WireError> {
    let (mut plugin, mut nonce) = (greeting.plugin.clone(), greeting.nonce.to_vec());
    let proof = match auth::response(&plugin, &target.password, &nonce) {
        // The server's default means little: it names the account's own plugin next.
        Err(WireError::AuthPlugin(_)) => {
            plugin = AuthPlugin::MysqlNativePassword;
            auth::response(&plugin, &target.password, &nonce)?
        }
        proof => proof?,
    };
    channel.send(&handshake_response(target, capabilities, plugin.clone(), proof)).await?;
    for _ in 0..MAX_LOGIN_PACKETS {
        let packet = channel.receive().await?;
        match packet {
            [0x00, ..] => return Ok(Authenticated::Yes),
            [0xfe, ..] => {
                (plugin, nonce) = auth::parse_switch(packet)?;
                // Also what MySQL may answer to the name of an account that does not exist.
                if plugin.as_bytes() == b"sha256_password" {
                    const REQUEST_PUBLIC_KEY: u8 = 1;
                    match send_password(channel, target, &nonce, full, REQUEST_PUBLIC_KEY).await? {
                        Sent::Yes => continue,
                        Sent::NotWithoutTls => return Ok(Authenticated::NeedsTls),
                    }
                }
                let proof = auth::response(&plugin, &target.password, &nonce)?;
                channel.send(&proof).await?;
            }
            // "Fast authentication succeeded"; OK follows.
            [0x01, 0x03] if plugin == AuthPlugin::CachingSha2Password => {}
            // The server has not got the hash in its cache.
            [0x01, 0x04] if plugin == AuthPlugin::CachingSha2Password => {
                const REQUEST_PUBLIC_KEY: u8 = 2;
                match send_password(channel, target, &nonce, full, REQUEST_PUBLIC_KEY).await? {
                    Sent::Yes => {}
                    Sent::NotWithoutTls => return Ok(Authenticated::NeedsTls),
                }
            }
            _ => {
                let error = ServerError::parse(packet).map(WireError::Server);
                return Err(error.unwrap_or(WireError::Protocol("login")));
            }
        }
    }
    Err(WireError::Protocol("endless login"))
}

enum Sent {
    Yes,
    NotWithoutTls,
}

/// Sends the password in a form from which the server can tell it.
async fn send_password(
    channel: &mut Channel,
    target: &Target,
    nonce: &[u8],
    by: PasswordBy,
    request_public_key: u8,
) -> Result<Sent, WireError> {
    match by {
        _ if target.password.is_empty() => channel.send(&[0]).await?,
        PasswordBy::Tls => return Ok(Sent::NotWithoutTls),
        PasswordBy::PlainText => {
            channel.send(&[target.password.as_bytes(), &[0]].concat()).await?;
        }
        PasswordBy::Rsa => {
            channel.send(&[request_public_key]).await?;
            let packet = channel.receive().await?;
            if let Some(error) = ServerError::parse(packet) {
                return Err(WireError::Server(error));
            }
            let pem = packet.strip_prefix(&[0x01]).ok_or(WireError::Protocol("login"))?;
            let nonce = nonce.get(..NONCE_BYTES).ok_or(WireError::Protocol("nonce too short"))?;
            let secret = auth::encrypt(&target.password, nonce, pem)?;
            channel.send(&secret).await?;
        }
    }
    Ok(Sent::Yes)
}

fn handshake_response(
    target: &Target,
    capabilities: CapabilityFlags,
    plugin: AuthPlugin<'_>,
    proof: Vec<u8>,
) -> Vec<u8> {
    let plugin = capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH).then_some(plugin);
    let attributes = capabilities
        .contains(CapabilityFlags::CLIENT_CONNECT_ATTRS)
        .then(|| HashMap::from([("program_name".to_owned(), "ham4db".to_owned())]));
    let mut payload = Vec::new();
    HandshakeResponse::new(
        Some(proof),
        (5, 6, 0), // decides only that the character set is utf8mb4
        Some(target.user.as_bytes()),
        None::<&[u8]>,
        plugin,
        capabilities,
        attributes,
        MAX_PACKET,
    )
    .serialize(&mut payload);
    payload
}

/// The first packet of a server.
struct Greeting {
    server_version: String,
    id: u32,
    nonce: [u8; NONCE_BYTES],
    capabilities: CapabilityFlags,
    plugin: AuthPlugin<'static>,
}

impl Greeting {
    /// Parsed here because `HandshakePacket` may overflow on a hostile one, and refuses unknown flags.
    fn parse(packet: &[u8]) -> Option<Self> {
        let mut rest = ParseBuf(packet);
        let protocol = rest.checked_eat_u8()?;
        let end = rest.0.iter().position(|byte| *byte == 0).filter(|_| protocol == 10)?;
        let server_version = String::from_utf8_lossy(rest.eat(end)).into_owned();
        rest.skip(1);
        let id = rest.checked_eat_u32_le()?;
        let nonce_begin = rest.checked_eat(8)?;
        rest.checked_eat_u8()?;
        let low = rest.checked_eat_u16_le()?;
        rest.checked_eat_u24_le()?; // collation and status
        let high = rest.checked_eat_u16_le()?;
        let nonce_length = usize::from(rest.checked_eat_u8()?);
        rest.checked_eat(10)?;
        let nonce_end = rest.checked_eat(nonce_length.saturating_sub(8).max(13))?;
        let mut nonce = [0; NONCE_BYTES];
        nonce[..8].copy_from_slice(nonce_begin);
        nonce[8..].copy_from_slice(&nonce_end[..NONCE_BYTES - 8]);
        let bits = u32::from(high) << 16 | u32::from(low);
        Some(Self {
            server_version,
            id,
            nonce,
            capabilities: CapabilityFlags::from_bits_truncate(bits),
            plugin: AuthPlugin::from_bytes(rest.eat_all()).into_owned(),
        })
    }

    /// What both sides know, of what we want.
    fn common_capabilities(&self) -> Result<CapabilityFlags, WireError> {
        let needed = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_MULTI_STATEMENTS
            | CapabilityFlags::CLIENT_MULTI_RESULTS;
        let welcome = CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_CONNECT_ATTRS
            | CapabilityFlags::CLIENT_DEPRECATE_EOF;
        if self.capabilities.contains(needed) {
            Ok(self.capabilities & (needed | welcome))
        } else {
            Err(WireError::Protocol("server lacks what version 5.6 can do"))
        }
    }
}
