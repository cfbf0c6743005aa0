//! The HTTP server: where it listens, who may do what, and TLS.

use std::fmt;

use serde_json::Value;

use crate::config::file::Given;
use crate::config::kinds::{
    Bool, Choice, FilePath, Kind, Minutes, Mismatch, Named, Password, Seconds, Text, Texts, text,
};
use crate::config::table::Status::{Acted, NotYet, Unavailable};
use crate::config::table::group;

/// How callers prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// Not at all: everybody may do everything.
    None,
    /// One user with a password, who may do everything.
    Basic,
    /// The same, and a user `readonly` with any password, who may only read.
    Multi,
    /// A proxy in front names the user in a header.
    Proxy,
    /// Tokens that were handed out before.
    Token,
}

impl Named for AuthMethod {
    const NAMES: &[(&str, Self)] = &[
        ("", Self::None),
        ("none", Self::None),
        ("basic", Self::Basic),
        ("multi", Self::Multi),
        ("proxy", Self::Proxy),
        ("token", Self::Token),
    ];
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// Host name or address; all interfaces when `None`.
    pub host: Option<String>,
    /// TCP port; 0 takes any that is free.
    pub port: u16,
}

impl ListenAddress {
    /// Reads `:port`, `host:port`, `[ipv6]:port` or a bare port.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port = port.parse().ok()?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        if host.chars().any(char::is_whitespace) {
            return None;
        }
        Some(Self { host: (!host.is_empty()).then(|| host.to_owned()), port })
    }

    /// Only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.host.as_deref().is_some_and(|host| {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        if host.contains(':') {
            write!(f, "[{host}]:{}", self.port)
        } else {
            write!(f, "{host}:{}", self.port)
        }
    }
}

/// A TCP address to listen on.
pub struct Address;

impl Kind for Address {
    type Field = ListenAddress;
    type Default = u16;
    fn initial(port: u16) -> ListenAddress {
        ListenAddress { host: None, port }
    }
    fn read(given: &Given) -> Result<ListenAddress, Mismatch> {
        ListenAddress::parse(text(given)?.trim()).ok_or(Mismatch::NotAllowed)
    }
    fn show(field: &ListenAddress) -> Value {
        field.to_string().into()
    }
    fn allowed() -> String {
        "\":port\" or \"host:port\", in quotes".to_owned()
    }
}

group! {
    /// The HTTP server: where it listens, who may do what, and TLS.
    http: Http;

    /// TCP address of the service. Without this key and without authentication it is reachable from this
    /// machine only, as `127.0.0.1:3000`; a host left empty stands for all interfaces.
    "ListenAddress" => listen: Address = 3000; Acted, AtStart;
    /// Unix socket of the service, instead of TCP.
    "ListenSocket" => socket: FilePath = ""; Acted, AtStart;
    /// Address under which the other raft nodes reach the service of this one, as `http://host:port`.
    "HTTPAdvertise" => advertise: Text = ""; NotYet, AtStart;
    /// Path in front of all others, for a proxy that serves several services.
    "URLPrefix" => url_prefix: Text = ""; Acted, OnReload;
    /// Refuses every request that changes something.
    "ReadOnly" => read_only: Bool = false; Acted, OnReload;
    /// How callers prove who they are.
    "AuthenticationMethod" => authentication: Choice<AuthMethod> = AuthMethod::None; Acted, OnReload;
    /// User of `basic` and `multi` authentication.
    "HTTPAuthUser" => user: Text = ""; Acted, OnReload;
    /// Password of that user; `${NAME}` takes it from the environment.
    "HTTPAuthPassword" => password: Password = ""; Acted, OnReload;
    /// Header in which a proxy names the user.
    "AuthUserHeader" => user_header: Text = "X-Forwarded-User"; Acted, OnReload;
    /// Users behind a proxy who may change something; `*` is everybody.
    "PowerAuthUsers" => power_users: Texts = &["*"]; Acted, OnReload;
    /// Unix groups whose members behind a proxy may change something.
    "PowerAuthGroups" => power_groups: Texts = &[]; NotYet, OnReload;
    /// How long a token may be fetched after it was handed out.
    "AccessTokenUseExpirySeconds" => token_use_expiry: Seconds<0, 86_400> = 60; NotYet, OnReload;
    /// How long a token is valid.
    "AccessTokenExpiryMinutes" => token_expiry: Minutes<0, 5_256_000> = 1440; NotYet, OnReload;
    /// Serves HTTPS.
    "UseSSL" => tls: Bool = false; Unavailable("this version serves plain HTTP only; put a proxy in front"), AtStart;
    /// Asks callers for a certificate and checks its organisational unit.
    "UseMutualTLS" => mutual_tls: Bool = false; Unavailable("this version serves plain HTTP only; put a proxy in front"), AtStart;
    /// Does not verify the certificates of other nodes.
    "SSLSkipVerify" => tls_skip_verify: Bool = false; NotYet, AtStart;
    /// Private key of the service.
    "SSLPrivateKeyFile" => tls_key_file: FilePath = ""; NotYet, AtStart;
    /// Certificate of the service.
    "SSLCertFile" => tls_cert_file: FilePath = ""; NotYet, AtStart;
    /// Authority that signed the certificates of callers and other nodes.
    "SSLCAFile" => tls_ca_file: FilePath = ""; NotYet, AtStart;
    /// Organisational units of callers that are let in.
    "SSLValidOUs" => tls_valid_units: Texts = &[]; NotYet, AtStart;
    /// Path of the status check for load balancers.
    "StatusEndpoint" => status_endpoint: Text = "/api/status"; Acted, OnReload;
    /// Checks the organisational unit of callers of the status check too.
    "StatusOUVerify" => status_unit_verify: Bool = false; NotYet, AtStart;
    /// Text shown on the pages of the dashboard.
    "WebMessage" => web_message: Text = ""; NotYet, OnReload;
    /// Text cut from host names where the dashboard shows them.
    "RemoveTextFromHostnameDisplay" => hide_in_hostnames: Text = ""; NotYet, OnReload;
}
