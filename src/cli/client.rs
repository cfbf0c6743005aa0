//! Speaks HTTP to a running node.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::options::Options;

/// A node's answer: an envelope's message and details, or bare data as details.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// What happened, in words; empty with bare data.
    pub message: String,
    /// The result.
    pub details: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers.
    #[error(
        "no ham4db answers at {url} ({reason}): start `ham4db serve`, or set HAM4DB_API or --api to where it runs"
    )]
    NotRunning {
        /// Where.
        url: String,
        /// What was seen.
        reason: String,
    },
    /// None of several nodes leads.
    #[error("none of {0} leads, or none of them answers; check that they run and see each other")]
    NoLeader(String),
    /// The node wants to know who asks.
    #[error(
        "{url} wants a user and a password: give --auth user:password, or set HAM4DB_AUTH_USER and HAM4DB_AUTH_PASSWORD"
    )]
    NotAuthenticated {
        /// Where.
        url: String,
    },
    /// The node knows no such path.
    #[error("{url} does not know {path}: is it ham4db, with this URLPrefix?")]
    NotFound {
        /// Where.
        url: String,
        /// What was asked for.
        path: String,
    },
    /// The answer is no JSON.
    #[error("{url} answered with something that is not JSON: {start}")]
    NotJson {
        /// Where.
        url: String,
        /// How it begins.
        start: String,
    },
    /// The node answered that it could not, or would not.
    #[error("{message}")]
    Refused {
        /// Its words.
        message: String,
        /// What came with them.
        details: Value,
    },
}

/// Where a node is looked for when nobody says otherwise.
const DEFAULT_API: &str = "http://127.0.0.1:3000/api";
/// How long a node may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a node may take to answer; recoveries with hooks take their time.
const ANSWER_LIMIT: Duration = Duration::from_mins(15);
/// How long one of several nodes may take to say whether it leads.
const LEADER_LIMIT: Duration = Duration::from_secs(1);

/// A way to a node.
pub struct Client {
    agent: ureq::Agent,
    urls: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Client {
    /// The node, or nodes, that options and environment name.
    pub fn new(options: &Options, environment: impl Fn(&str) -> Option<String>) -> Self {
        let named = options.api.clone().or_else(|| environment("ORCHESTRATOR_API"));
        let named = named.unwrap_or_default();
        let mut urls: Vec<_> = named.split_whitespace().map(api_url).collect();
        if urls.is_empty() {
            urls.push(DEFAULT_API.to_owned());
        }
        let either = |name: &str| {
            let own = environment(&format!("HAM4DB_{name}"));
            own.or_else(|| environment(&format!("ORCHESTRATOR_{name}")))
        };
        let credential = options.auth.clone().or_else(|| {
            Some(format!(
                "{}:{}",
                either("AUTH_USER")?,
                either("AUTH_PASSWORD").unwrap_or_default()
            ))
        });
        let mut headers = Vec::new();
        if let Some(credential) = credential.filter(|credential| credential != ":") {
            let encoded = STANDARD.encode(credential);
            headers.push(("Authorization".to_owned(), format!("Basic {encoded}")));
        }
        let named_user = options.headers_auth.clone().or_else(|| either("AUTH_USER_HEADER"));
        if let Some((name, value)) = named_user.as_deref().and_then(|text| text.split_once(':')) {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_global(Some(ANSWER_LIMIT))
            .build()
            .into();
        Self { agent, urls, headers }
    }

    /// The node's answer to a path below `/api/`.
    pub fn get(&self, path: &str) -> Result<Reply, ClientError> {
        let url = self.leader()?;
        let (status, body) = self.fetch(url, path, ANSWER_LIMIT)?;
        reply(url, path, status, &body)
    }

    /// The node's answer to a path, as it comes; an error envelope is an error.
    pub fn text(&self, path: &str) -> Result<String, ClientError> {
        let url = self.leader()?;
        let (status, body) = self.fetch(url, path, ANSWER_LIMIT)?;
        if status == 200 {
            return Ok(body);
        }
        reply(url, path, status, &body).map(|reply| reply.details.to_string())
    }

    /// The only node, or of several the one that leads, or knows who does.
    fn leader(&self) -> Result<&str, ClientError> {
        if let [only] = &self.urls[..] {
            return Ok(only);
        }
        let answers = |path: &str| {
            self.urls.iter().find(|url| {
                self.fetch(url, path, LEADER_LIMIT).is_ok_and(|(status, _)| status == 200)
            })
        };
        let leader = answers("leader-check").or_else(|| answers("routed-leader-check"));
        leader.map(String::as_str).ok_or_else(|| ClientError::NoLeader(self.urls.join(" ")))
    }

    fn fetch(&self, url: &str, path: &str, limit: Duration) -> Result<(u16, String), ClientError> {
        let not_running = |error: ureq::Error| ClientError::NotRunning {
            url: url.to_owned(),
            reason: error.to_string(),
        };
        let mut request =
            self.agent.get(format!("{url}/{path}")).config().timeout_global(Some(limit)).build();
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = request.call().map_err(not_running)?;
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_string();
        Ok((response.status().as_u16(), body.map_err(not_running)?))
    }
}

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Text that stands for itself as one segment of a path or as a value of a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The base of the API: without a slash at the end, with `/api`.
fn api_url(text: &str) -> String {
    let text = text.trim_end_matches('/');
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    if text.ends_with("/api") { text } else { format!("{text}/api") }
}

fn reply(url: &str, path: &str, status: u16, body: &str) -> Result<Reply, ClientError> {
    let url = || url.to_owned();
    if status == 401 {
        return Err(ClientError::NotAuthenticated { url: url() });
    }
    let value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(_) if status == 404 => {
            return Err(ClientError::NotFound { url: url(), path: path.to_owned() });
        }
        Err(_) => {
            let start = body.chars().take(80).collect();
            return Err(ClientError::NotJson { url: url(), start });
        }
    };
    let Some(code) = value.get("Code").and_then(Value::as_str) else {
        return Ok(Reply { message: String::new(), details: value });
    };
    let message = value["Message"].as_str().unwrap_or_default().to_owned();
    let details = value["Details"].clone();
    if code.contains("ERROR") {
        Err(ClientError::Refused { message, details })
    } else {
        Ok(Reply { message, details })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_url_may_be_written_short() {
        for text in
            ["http://h:3000", "http://h:3000/", "http://h:3000/api", "http://h:3000/api/", "h:3000"]
        {
            assert_eq!(api_url(text), "http://h:3000/api", "{text}");
        }
        assert_eq!(api_url("https://h/prefix"), "https://h/prefix/api");
    }

    #[test]
    fn own_variables_win_over_those_of_the_ancestors() {
        let environment = |pairs: &'static [(&'static str, &'static str)]| {
            move |name: &str| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            }
        };
        let options = Options::default();
        let default = Client::new(&options, environment(&[]));
        assert_eq!((default.urls, default.headers), (vec![DEFAULT_API.to_owned()], vec![]));
        let ancestors = Client::new(
            &options,
            environment(&[
                ("ORCHESTRATOR_API", "http://a:3000 http://b:3000/api"),
                ("ORCHESTRATOR_AUTH_USER", "dba"),
                ("ORCHESTRATOR_AUTH_PASSWORD", "pw"),
            ]),
        );
        assert_eq!(ancestors.urls, ["http://a:3000/api", "http://b:3000/api"]);
        assert_eq!(ancestors.headers, [("Authorization".to_owned(), "Basic ZGJhOnB3".to_owned())]);
        let own = Options { api: Some("c:1".into()), ..Options::default() };
        let own = Client::new(&own, environment(&[("ORCHESTRATOR_API", "http://a:3000")]));
        assert_eq!(own.urls, ["http://c:1/api"]);
    }

    #[test]
    fn answers_are_told_apart() {
        let read = |status, body: &str| reply("u", "p", status, body);
        assert_eq!(read(200, "[1]").unwrap().details, json!([1]));
        let envelope = r#"{"Code":"OK","Message":"m","Details":{"x":1}}"#;
        let expected = Reply { message: "m".into(), details: json!({"x": 1}) };
        assert_eq!(read(200, envelope).unwrap(), expected);
        let error = r#"{"Code":"ERROR","Message":"no","Details":null}"#;
        assert!(
            matches!(read(500, error), Err(ClientError::Refused { message, .. }) if message == "no")
        );
        assert!(matches!(read(404, "404 page not found\n"), Err(ClientError::NotFound { .. })));
        assert!(matches!(read(401, "Not Authorized"), Err(ClientError::NotAuthenticated { .. })));
        assert!(matches!(read(502, "<html>"), Err(ClientError::NotJson { .. })));
    }

    #[test]
    fn nobody_there_is_said_with_what_to_do() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let options = Options { api: Some(api.clone()), ..Options::default() };
        let error = Client::new(&options, |_| None).get("clusters").unwrap_err().to_string();
        assert!(error.starts_with(&format!("no ham4db answers at {api}/api")), "{error}");
        assert!(error.contains("ham4db serve") && error.contains("HAM4DB_API"), "{error}");
    }
}
