//! Who may read and who may change something.

use std::collections::BTreeSet;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::answer::ApiError;

/// How callers prove who they are (`AuthenticationMethod`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Anybody may do anything.
    #[default]
    Open,
    /// One user with a password may do anything; nobody else may do anything.
    Basic(Credential),
    /// As above; in addition, the user `readonly` may read with any password.
    Multi(Credential),
    /// A proxy in front names the user in a header; only power users may change something.
    Proxy {
        /// `AuthUserHeader`.
        header: String,
        /// `PowerAuthUsers`; `*` is everybody.
        power_users: BTreeSet<String>,
    },
    /// A method that this version does not know: reading is open, nobody may change anything.
    ReadOnly,
}

/// A user and a password (`HTTPAuthUser`, `HTTPAuthPassword`).
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Name.
    pub user: String,
    /// Password; never shown.
    pub password: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It shows something.
    Read,
    /// It changes something.
    Write,
}

/// A caller who has been let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Name; `None` where nobody has to give one.
    pub user: Option<String>,
    /// May change something.
    pub may_write: bool,
}

/// The caller could not prove to be anybody: 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAuthenticated;

impl Authentication {
    /// Who asks, by the request's headers.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, NotAuthenticated> {
        match self {
            Self::Open => Ok(Caller { user: None, may_write: true }),
            Self::ReadOnly => Ok(Caller { user: None, may_write: false }),
            Self::Basic(known) => match basic_credential(headers) {
                Some(given) if given.is(known) => Ok(Caller::writer(given.user)),
                _ => Err(NotAuthenticated),
            },
            Self::Multi(known) => match basic_credential(headers) {
                Some(given) if given.is(known) => Ok(Caller::writer(given.user)),
                Some(given) if given.user == "readonly" => {
                    Ok(Caller { user: Some(given.user), may_write: false })
                }
                _ => Err(NotAuthenticated),
            },
            Self::Proxy { header, power_users } => {
                let user = headers.get(header).and_then(|value| value.to_str().ok());
                let user = user.map(str::to_owned).filter(|user| !user.is_empty());
                let named = user.as_ref().is_some_and(|user| power_users.contains(user));
                Ok(Caller { may_write: named || power_users.contains("*"), user })
            }
        }
    }
}

impl Caller {
    fn writer(user: String) -> Self {
        Self { user: Some(user), may_write: true }
    }
}

impl Credential {
    /// The same user and password, compared in a time that does not tell how much of it is right.
    fn is(&self, known: &Self) -> bool {
        same(&self.user, &known.user) & same(&self.password, &known.password)
    }
}

fn same(given: &str, known: &str) -> bool {
    let mut difference = u8::from(given.len() != known.len());
    for (index, byte) in given.bytes().enumerate() {
        difference |= byte ^ known.as_bytes().get(index).copied().unwrap_or(0);
    }
    difference == 0
}

/// Requests that change something must not come from a page of another site (Fetch metadata, which every current
/// browser sends; other programs do not send it and are let through).
pub fn refuse_cross_site(headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    match site {
        Some("cross-site" | "same-site") => Err(ApiError::CrossSite),
        _ => Ok(()),
    }
}

fn basic_credential(headers: &HeaderMap) -> Option<Credential> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credential { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        headers
    }

    fn basic(user: &str, password: &str) -> HeaderMap {
        let credential = STANDARD.encode(format!("{user}:{password}"));
        headers("authorization", &format!("Basic {credential}"))
    }

    #[test]
    fn each_method_lets_in_whom_it_should() {
        let known = || Credential { user: "dba".into(), password: "s3cret".into() };
        let writer = |user: &str| Ok(Caller { user: Some(user.into()), may_write: true });
        let reader = |user: &str| Ok(Caller { user: Some(user.into()), may_write: false });
        let proxy = Authentication::Proxy {
            header: "X-Forwarded-User".into(),
            power_users: BTreeSet::from(["ann".to_owned()]),
        };
        let cases = [
            (
                "open",
                Authentication::Open,
                HeaderMap::new(),
                Ok(Caller { user: None, may_write: true }),
            ),
            ("right", Authentication::Basic(known()), basic("dba", "s3cret"), writer("dba")),
            ("wrong", Authentication::Basic(known()), basic("dba", "s3cre"), Err(NotAuthenticated)),
            (
                "longer",
                Authentication::Basic(known()),
                basic("dba", "s3cret1"),
                Err(NotAuthenticated),
            ),
            ("none", Authentication::Basic(known()), HeaderMap::new(), Err(NotAuthenticated)),
            ("reader", Authentication::Multi(known()), basic("readonly", "x"), reader("readonly")),
            (
                "no reader",
                Authentication::Basic(known()),
                basic("readonly", "x"),
                Err(NotAuthenticated),
            ),
            ("power", proxy.clone(), headers("x-forwarded-user", "ann"), writer("ann")),
            ("no power", proxy, headers("x-forwarded-user", "bob"), reader("bob")),
        ];
        for (name, method, headers, expected) in cases {
            assert_eq!(method.caller(&headers), expected, "{name}");
        }
    }
}
