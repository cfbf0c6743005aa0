//! `ham4db serve` and `ham4db config`: what needs a configuration and no running node.

use std::io::{self, Write};
use std::process::ExitCode;

use super::logging;
use super::options::{ConfigCommand, Options};
use super::{Failure, complain, words};
use crate::config::{Config, Sources};
use crate::service;

/// Runs the service.
pub fn serve(options: &Options) -> ExitCode {
    let options = options.clone();
    logging::start(logging::level(&options, false));
    let sources = Sources::new(options.config.as_deref());
    let level = move |config: &Config| logging::level(&options, config.logging.debug);
    match service::run(sources, level) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            error.exit_code()
        }
    }
}

/// Checks or shows the configuration.
pub fn config(command: ConfigCommand, options: &Options) -> Result<(), Failure> {
    let sources = Sources::new(options.config.as_deref());
    let loaded = Config::load(&sources);
    let notices = match &loaded {
        Ok((_, notices)) => notices,
        Err(problems) => &problems.notices,
    };
    let mut err = io::stderr().lock();
    for notice in notices {
        writeln!(err, "warning: {notice}")?;
    }
    drop(err);
    let (config, notices) = loaded.map_err(words)?;
    let mut out = io::stdout().lock();
    match command {
        ConfigCommand::Check => writeln!(out, "{}", verdict(&sources, notices.len()))?,
        ConfigCommand::Show => writeln!(out, "{:#}", config.shown())?,
    }
    Ok(())
}

fn verdict(sources: &Sources, warnings: usize) -> String {
    let found: Vec<_> = sources.files().iter().filter(|file| file.exists()).collect();
    let what = match found.as_slice() {
        [] => "no configuration file: the defaults".to_owned(),
        files => files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    match warnings {
        0 => format!("{what}: good"),
        1 => format!("{what}: good, with 1 warning"),
        _ => format!("{what}: good, with {warnings} warnings"),
    }
}
