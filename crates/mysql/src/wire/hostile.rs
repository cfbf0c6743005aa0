//! Servers that lie, break off, or send more than anybody asked for.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use ham4db_domain::checks::FailureKind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
    time::timeout,
};

use super::{Connection, ResultSet, Target, TlsMode, WireError};

const LIMIT: Duration = Duration::from_secs(20);

/// What a server does after its last line.
enum Then {
    HangUp,
    Wait,
    Repeat(Vec<u8>),
}

/// A server that takes one client and says each of `lines` in turn, with a word of the client between.
async fn server(lines: Vec<Vec<u8>>, then: Then) -> (Target, SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let last = lines.len() - 1;
        for (number, line) in lines.into_iter().enumerate() {
            // The client may have hung up already: it is meant to, on most of this.
            let _ = stream.write_all(&line).await;
            if number < last && !matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {
                return;
            }
        }
        match then {
            Then::HangUp => stream.shutdown().await.unwrap_or_default(),
            Then::Wait => {}
            Then::Repeat(bytes) => while stream.write_all(&bytes).await.is_ok() {},
        }
        let _ = stream.read_to_end(&mut Vec::new()).await; // until the client hangs up
    });
    let target = Target {
        host: "localhost".to_owned(),
        port: addr.port(),
        user: "u".to_owned(),
        password: "p".to_owned(),
        tls: TlsMode::Off,
        connect_limit: LIMIT,
    };
    (target, addr, task)
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[a, b, c, sequence], payload].concat()
}

/// What a server of version 8 or later begins with.
fn greeting() -> Vec<u8> {
    let mut payload = b"\x0a8.4.0\0\x07\0\0\0abcdefgh\0".to_vec();
    payload.extend(0xf7ff_u16.to_le_bytes()); // all, but TLS
    payload.extend([45, 2, 0]);
    payload.extend(0xdfff_u16.to_le_bytes());
    payload.push(21);
    payload.extend([0; 10]);
    payload.extend(b"ijklmnopqrst\0mysql_native_password\0");
    payload
}

const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];
const END: [u8; 7] = [0xfe, 0, 0, 2, 0, 0, 0];

fn column(name: &str) -> Vec<u8> {
    let mut payload = b"\x03def\0\0\0".to_vec();
    payload.push(u8::try_from(name.len()).unwrap());
    payload.extend(name.as_bytes());
    payload.extend(b"\0\x0c\x2d\0\0\x04\0\0\xfd\0\0\0\0\0");
    payload
}

/// Packets of an answer, numbered from 1.
fn answer(payloads: &[&[u8]]) -> Vec<u8> {
    (1..).zip(payloads).flat_map(|(sequence, payload)| packet(sequence, payload)).collect()
}

async fn open(greeting: Vec<u8>) -> Result<Connection, WireError> {
    let (target, addr, _) = server(vec![greeting, packet(2, &OK)], Then::HangUp).await;
    timeout(LIMIT, Connection::open(&target, addr)).await.expect("an end")
}

/// Logs in, asks, and gets `bytes` for an answer, after which the server hangs up.
async fn ask(bytes: Vec<u8>) -> Result<Vec<ResultSet>, WireError> {
    let lines = vec![packet(0, &greeting()), packet(2, &OK), bytes];
    let (target, addr, _) = server(lines, Then::HangUp).await;
    let mut connection = Connection::open(&target, addr).await?;
    timeout(LIMIT, connection.query("SELECT 1")).await.expect("an end")
}

#[tokio::test]
async fn a_well_formed_server_is_understood() {
    let (first, second) = (column("a"), column("b"));
    let rows = answer(&[b"\x02", &first, &second, b"\x011\xfb", b"\0\x03\xff\xfex", &END]);
    let sets = ask(rows).await.unwrap();
    let cells: Vec<_> = sets[0].rows().map(|row| (row.get("a"), row.get("b"))).collect();
    assert_eq!(cells, [(Some("1"), None), (Some(""), Some("\u{fffd}\u{fffd}x"))]);
    assert_eq!(open(packet(0, &greeting())).await.unwrap().server_version(), "8.4.0");
}

#[tokio::test]
async fn a_greeting_may_be_an_error() {
    let cases: [(&[u8], u16, FailureKind); 4] = [
        (b"\xff\x10\x04Too many connections", 1040, FailureKind::TooManyConnections),
        (b"\xff\x10\x04#08004Too many connections", 1040, FailureKind::TooManyConnections),
        (b"\xff\x69\x04Host is blocked", 1129, FailureKind::AccessDenied),
        (b"\xff\x6a\x04Host is not allowed", 1130, FailureKind::AccessDenied),
    ];
    for (payload, code, kind) in cases {
        for sequence in [0, 1, 2] {
            let error = open(packet(sequence, payload)).await.unwrap_err();
            assert_eq!((error.code(), error.kind()), (Some(code), kind), "{error:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_greeting_is_refused() {
    let whole = greeting();
    let mut cases: Vec<(String, Vec<u8>)> = (0..whole.len() - 34)
        .map(|end| (format!("cut at {end}"), packet(0, &whole[..end])))
        .collect();
    let mut old = whole.clone();
    old[0] = 9;
    let mut bare = whole.clone();
    bare[21] = 0;
    let mut long = whole.clone();
    long[27] = 0x84;
    cases.extend([
        ("protocol 9".to_owned(), packet(0, &old)),
        ("no 4.1 protocol".to_owned(), packet(0, &bare)),
        ("long nonce".to_owned(), packet(0, &long)),
        ("out of order".to_owned(), packet(5, &whole)),
        ("half an error".to_owned(), packet(0, &[0xff, 0x10])),
        ("ssh".to_owned(), b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n".to_vec()),
        ("http".to_owned(), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("16 MiB to come".to_owned(), vec![0xff, 0xff, 0xff, 0]),
    ]);
    for (name, bytes) in cases {
        let error = open(bytes).await.expect_err(&name);
        assert_eq!(error.kind(), FailureKind::Protocol, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_malformed_answer_is_an_error() {
    let one = column("a");
    let cases: [(&str, &[&[u8]]); 14] = [
        ("nothing", &[b""]),
        ("asks for a file", &[b"\xfb/etc/passwd"]),
        ("many columns", &[b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"]),
        ("more columns than any server has", &[b"\xfc\x01\x10"]),
        ("more than a count", &[b"\x01\x01"]),
        ("half a count", &[b"\xfc\x01"]),
        ("half a column", &[b"\x01", &one[..6]]),
        ("a column without end", &[b"\x01", b"\x03def\xfe\xff\xff\xff\xff\xff\xff\xff\xff"]),
        ("a cell without end", &[b"\x01", &one, b"\xfd\xff\xff\xffx"]),
        ("half a row", &[b"\x01", &one, b"\x05x"]),
        ("a row too wide", &[b"\x01", &one, b"\x01x\x01y"]),
        ("an empty row", &[b"\x01", &one, b""]),
        ("half an end", &[b"\x01", &one, b"\xfe\0"]),
        ("half an ok", &[b"\0\0"]),
    ];
    for (name, payloads) in cases {
        let error = ask(answer(payloads)).await.expect_err(name);
        assert_eq!(error.kind(), FailureKind::Protocol, "{name}: {error:?}");
    }
    let unordered = [packet(1, b"\x01"), packet(3, &one)].concat();
    assert_eq!(ask(unordered).await.unwrap_err().kind(), FailureKind::Protocol);
}

#[tokio::test]
async fn no_flipped_byte_makes_it_panic() {
    let one = column("a");
    let good = answer(&[b"\x01", &one, b"\x011", b"\xfb", &END]);
    for position in 0..good.len() {
        for value in [0, 0xfb, 0xfe, 0xff] {
            let mut bytes = good.clone();
            bytes[position] = value;
            let _ = ask(bytes).await; // some flips are harmless
        }
    }
}

/// Packets with all the sequence numbers there are, to be repeated from `first` on.
fn endless(first: u8, payload: &[u8]) -> Vec<u8> {
    (0..=255).flat_map(|n: u8| packet(first.wrapping_add(n), payload)).collect()
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let one = [packet(1, b"\x01"), packet(2, &column("a"))].concat();
    let mut wide = packet(1, &[0xfc, 0, 0x10]);
    for number in 2..4098_u16 {
        wide.extend(packet(number.to_le_bytes()[0], &column("a")));
    }
    let cases = [
        ("empty answers", packet(1, &[0, 0, 0, 8, 0, 0, 0]), endless(2, &[0, 0, 0, 8, 0, 0, 0])),
        ("rows", one.clone(), endless(3, &[&[0xfc, 0, 1][..], &[b'x'; 256]].concat())),
        ("empty rows", one, endless(3, b"\0")),
        ("rows of nothing", wide, endless(2, &[0xfb; 4096])),
    ];
    for (name, first, repeated) in cases {
        let lines = vec![packet(0, &greeting()), packet(2, &OK), first];
        let (target, addr, task) = server(lines, Then::Repeat(repeated)).await;
        let exchange = async {
            let mut connection = Connection::open(&target, addr).await.unwrap();
            let error = connection.query("SELECT 1").await.unwrap_err();
            assert!(!connection.is_usable(), "{name}");
            error
        };
        let error = timeout(LIMIT, exchange).await.expect(name);
        assert!(matches!(error, WireError::Protocol("answer too large")), "{name}: {error:?}");
        timeout(LIMIT, task).await.expect(name).unwrap();
    }
}

#[tokio::test]
async fn what_comes_unasked_ends_the_connection() {
    let goodbye: &[u8] = b"\xff\xbf\x0f#HY000The client was disconnected";
    let cases: [(&str, Vec<u8>, FailureKind, Option<u16>); 3] = [
        ("idle for too long", packet(0, goodbye), FailureKind::ConnectionLost, Some(4031)),
        ("an answer to nothing", packet(1, &OK), FailureKind::Protocol, None),
        ("end", Vec::new(), FailureKind::ConnectionLost, None),
    ];
    for (name, bytes, kind, code) in cases {
        // The answer to the ping is followed at once by what nobody asked for.
        let lines = vec![packet(0, &greeting()), packet(2, &OK), [packet(1, &OK), bytes].concat()];
        let (target, addr, _) = server(lines, Then::HangUp).await;
        let mut connection = Connection::open(&target, addr).await.unwrap();
        connection.ping().await.unwrap();
        let reason = timeout(LIMIT, connection.closed()).await.expect(name);
        assert_eq!((reason.kind(), reason.code()), (kind, code), "{name}: {reason:?}");
        assert!(!connection.is_usable(), "{name}");
    }
}

#[tokio::test]
async fn half_a_packet_out_of_turn_is_not_taken_for_an_answer() {
    let lines = vec![packet(0, &greeting()), packet(2, &OK), [packet(1, &OK), vec![9, 0]].concat()];
    let (target, addr, _) = server(lines, Then::Wait).await;
    let mut connection = Connection::open(&target, addr).await.unwrap();
    connection.ping().await.unwrap();
    let error = connection.ping().await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Protocol, "{error:?}");
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_login_that_is_no_login_is_refused() {
    let cases: [(&str, &[u8], FailureKind); 7] = [
        ("denied", b"\xff\x15\x04#28000Access denied", FailureKind::AccessDenied),
        ("old password", b"\xfe", FailureKind::AccessDenied),
        ("unknown plugin", b"\xfedialog\0salt", FailureKind::AccessDenied),
        ("password in plain text", b"\xfemysql_clear_password\0", FailureKind::AccessDenied),
        ("short nonce", b"\xfecaching_sha2_password\0abc\0", FailureKind::Protocol),
        ("more data for nobody", b"\x01\x04", FailureKind::Protocol),
        ("nothing", b"", FailureKind::Protocol),
    ];
    for (name, payload, kind) in cases {
        let lines = vec![packet(0, &greeting()), packet(2, payload)];
        let (target, addr, _) = server(lines, Then::HangUp).await;
        let error = timeout(LIMIT, Connection::open(&target, addr)).await.expect(name).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
    }
}
