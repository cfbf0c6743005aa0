//! The command line: the service itself, tools that need no service, and a client of a running node.

mod analyze_case;
mod args;
mod client;
mod commands;
pub mod logging;
mod options;
mod output;
mod service;
mod unavailable;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};

pub use client::encode;
use client::{Client, ClientError};
use commands::{Show, expected_failure, json, questions, row};
pub use options::Options;
use options::{Cli, ClientCommand, Command};

/// Runs the command that the arguments name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args::normalise(args)) {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(ContextValue::String(command)) = error.get(ContextKind::InvalidSubcommand)
                && let Some(apology) = unavailable::apology(command)
            {
                complain(&apology);
                return ExitCode::FAILURE;
            }
            let _ = error.print(); // nobody is left to be told
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let done = match cli.command {
        None => Cli::command().print_help().map_err(Failure::from),
        Some(Command::Client(command)) => ask(command, &cli.options),
        Some(Command::AnalyzeCase { files }) => return analyze_case::run(&files),
        Some(Command::Serve) => return service::serve(&cli.options),
        Some(Command::Config(command)) => service::config(command, &cli.options),
    };
    match done {
        Ok(()) | Err(Failure::Pipe) => ExitCode::SUCCESS,
        Err(Failure::Words(words)) => {
            complain(&words);
            ExitCode::FAILURE
        }
    }
}

/// Why a command did not end well.
enum Failure {
    /// Whoever read the output has seen enough.
    Pipe,
    /// Anything else, in words.
    Words(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Words(format!("cannot write the output: {error}")),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn words(error: impl ToString) -> Failure {
    Failure::Words(error.to_string())
}

/// Asks a node and prints what it says.
fn ask(command: ClientCommand, options: &Options) -> Result<(), Failure> {
    let row = row(command);
    let client = Client::new(options, |name| std::env::var(name).ok());
    for question in questions(&row, options).map_err(words)? {
        let printed = match row.show {
            Show::Lines(lines) => match client.get(&question.path) {
                Ok(reply) if options.json => vec![json(&reply)],
                Ok(reply) => lines(&reply, options, &question.about).map_err(words)?,
                Err(ClientError::Refused { message, details }) => {
                    expected_failure(command, &message).ok_or_else(|| {
                        log::debug!("details: {details}");
                        Failure::Words(message)
                    })?
                }
                Err(error) => return Err(words(error)),
            },
            Show::Page if options.json => {
                vec![json(&client.get(&question.path).map_err(words)?)]
            }
            Show::Page | Show::Raw => {
                let text = client.text(&question.path).map_err(words)?;
                vec![text.trim_end_matches('\n').to_owned()]
            }
        };
        print(&printed)?;
    }
    Ok(())
}

/// Writes lines to stdout.
fn print(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// Says on stderr what went wrong, in red on a terminal.
fn complain(words: &str) {
    let mut err = io::stderr().lock();
    let (red, plain) = if err.is_terminal() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    let _ = writeln!(err, "{red}ham4db:{plain} {words}"); // nobody is left to be told
}
