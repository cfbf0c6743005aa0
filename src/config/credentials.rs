//! Passwords from outside the file: the environment, and files in the style of `my.cnf`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Looks up variables of the environment.
#[derive(Clone)]
pub(crate) struct Environment(pub Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// The variable that `${NAME}` names.
pub(crate) fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(fits)).then_some(name)
}

/// User and password of a section `[client]`; either may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub user: Option<String>,
    pub password: Option<String>,
}

/// Reads the section `[client]` of a text in the style of `my.cnf`. The error names a line, not its text.
pub(crate) fn parse(text: &str) -> Result<Client, String> {
    let mut client = Client::default();
    let (mut inside, mut seen) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';', '!']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            let section = section.strip_suffix(']');
            let section = section.ok_or_else(|| format!("line {}: ] is missing", index + 1))?;
            inside = section.trim() == "client";
            seen |= inside;
            continue;
        }
        if !inside {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        match key.trim() {
            "user" => client.user = Some(unquoted(value.trim())),
            "password" => client.password = Some(unquoted(value.trim())),
            _ => {}
        }
    }
    if seen { Ok(client) } else { Err("there is no section [client]".to_owned()) }
}

/// The text between quotes, or up to a comment.
fn unquoted(value: &str) -> String {
    let quoted = |quote: char| value.strip_prefix(quote)?.split_once(quote).map(|(text, _)| text);
    let plain = || value.split_once('#').map_or(value, |(text, _)| text.trim_end());
    quoted('"').or_else(|| quoted('\'')).unwrap_or_else(plain).to_owned()
}

/// Everybody on this machine may read the file.
#[cfg(unix)]
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// Everybody on this machine may read the file; not known on this system.
#[cfg(not(unix))]
pub(crate) fn is_open_to_all(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_value_names_a_variable() {
        let cases = [
            ("${DB_PASS}", Some("DB_PASS")),
            ("${}", None),
            ("x${DB_PASS}", None),
            ("${DB PASS}", None),
            ("$DB_PASS", None),
        ];
        for (text, expected) in cases {
            assert_eq!(variable(text), expected, "{text}");
        }
    }

    #[test]
    fn the_client_section_is_read_and_the_others_are_not() {
        let text =
            "[mysql]\nuser=x\n# c\n[client]\nuser = orc # a comment\nport=1\npassword=\"a #b=c\"\n";
        let client = Client { user: Some("orc".to_owned()), password: Some("a #b=c".to_owned()) };
        assert_eq!(parse(text), Ok(client));
        assert_eq!(parse("[client]\n"), Ok(Client::default()));
        assert!(parse("user=a\n").is_err());
        assert_eq!(parse("[client\n"), Err("line 1: ] is missing".to_owned()));
    }
}
