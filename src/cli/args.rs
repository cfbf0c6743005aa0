//! Takes the ancestors' way of writing options to ours.
//!
//! They wrote `-config=x -c topology -i db1` with one dash or two, in any order, and named the command by an option.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::options::Cli;

/// Long options that may stand behind a single dash.
const LONG: &[&str] = &[
    "alias",
    "api",
    "auth",
    "binlog",
    "config",
    "debug",
    "default-port",
    "destination",
    "discovery",
    "duration",
    "enable-database-update",
    "grab-election",
    "help",
    "headers-auth",
    "hostname",
    "id",
    "ignore-raft-setup",
    "instance",
    "json",
    "noop",
    "owner",
    "path",
    "pattern",
    "pool",
    "promotion-rule",
    "query",
    "quiet",
    "reason",
    "seconds",
    "skip-binlog-search",
    "skip-continuous-registration",
    "skip-unresolve",
    "skip-unresolve-check",
    "stack",
    "statement",
    "strict",
    "tag",
    "verbose",
    "version",
];

/// The arguments with the command in its place behind the program's name, and two dashes before long options.
///
/// What comes behind `--` is left alone.
pub fn normalise(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut normal: Vec<OsString> = args.next().into_iter().collect();
    let (mut rest, mut command, mut named) = (Vec::new(), None, false);
    while let Some(arg) = args.next() {
        let Some(text) = arg.to_str().map(str::to_owned) else {
            rest.push(arg);
            continue;
        };
        if text == "--" {
            rest.push(arg);
            rest.extend(args.by_ref());
            break;
        }
        match Written::read(&text) {
            // Behind a command of ours it names a cluster.
            Some(option) if option.name == "c" && named => {
                rest.push("--alias".into());
                rest.extend(option.value.map(OsString::from).or_else(|| args.next()));
            }
            Some(option) if option.name == "c" => {
                command = option.value.map(OsString::from).or_else(|| args.next());
            }
            Some(option) => rest.push(option.written().into()),
            None => {
                named |= is_command(&text);
                rest.push(arg);
            }
        }
    }
    if let Some(command) = command {
        normal.push(command);
        // `cli` only said that a command follows.
        rest.retain(|arg| arg != "cli");
    }
    normal.extend(rest);
    normal
}

/// A command of ours, by its name.
fn is_command(word: &str) -> bool {
    Cli::command().find_subcommand(word).is_some()
}

/// An option as it was written: `-name`, `--name`, `-name=value`.
struct Written<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let name = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        let known = name.chars().count() == 1 || LONG.contains(&name);
        known.then_some(Self { name, value })
    }

    fn written(&self) -> String {
        let dashes = if self.name.chars().count() == 1 { "-" } else { "--" };
        match self.value {
            Some(value) => format!("{dashes}{}={value}", self.name),
            None => format!("{dashes}{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_options_becomes_one() {
        let cases = [
            ("topology -i db1:3306", "topology -i db1:3306"),
            ("-c topology -i db1:3306", "topology -i db1:3306"),
            ("--c topology --i db1:3306", "topology -i db1:3306"),
            ("-c=topology -i=db1", "topology -i=db1"),
            ("cli -c topology", "topology"),
            ("-i db1 -config /etc/x.json -c discover", "discover -i db1 --config /etc/x.json"),
            ("-config=/etc/x.json -debug=false http", "--config=/etc/x.json --debug=false http"),
            ("--debug http", "--debug http"),
            ("-c tag -i db1 -tag role=x", "tag -i db1 --tag role=x"),
            ("-i db1 -d db2 -c recover", "recover -i db1 -d db2"),
            ("analyze-case -- -c x", "analyze-case -- -c x"),
            ("why -c shop", "why --alias shop"),
            ("why -c=shop --json", "why --alias shop --json"),
            ("-unknown", "-unknown"),
            ("", ""),
        ];
        for (written, expected) in cases {
            let words = |text: &'static str| text.split_whitespace().map(OsString::from);
            let program = || std::iter::once(OsString::from("ham4db"));
            let normal = normalise(program().chain(words(written)));
            assert_eq!(normal, program().chain(words(expected)).collect::<Vec<_>>(), "{written}");
        }
    }

    #[test]
    fn a_command_without_its_name_is_no_panic() {
        assert_eq!(normalise(["ham4db", "-c"].map(OsString::from)), ["ham4db"]);
        assert!(normalise(Vec::new()).is_empty());
    }
}
