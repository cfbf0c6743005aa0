//! Where the log goes and how much of it there is.

use std::io::Write as _;

use log::LevelFilter;

use super::options::Options;

/// How much is logged: what the options say, else what the configuration says, else the usual.
pub fn level(options: &Options, configured_debug: bool) -> LevelFilter {
    match options {
        Options { debug: true, .. } => LevelFilter::Debug,
        Options { verbose: true, .. } => LevelFilter::Info,
        Options { quiet: true, .. } => LevelFilter::Error,
        _ if configured_debug => LevelFilter::Debug,
        _ => LevelFilter::Info,
    }
}

/// Libraries whose notes at `info` say nothing to the people who run ham4db.
const QUIET: &[&str] = &[
    "actix_server",
    "actix_web",
    "actix_http",
    "refinery_core",
    "rustls",
    "hickory_proto",
    "r2d2",
];

/// Starts logging to stderr. `RUST_LOG` wins over `level`.
pub fn start(level: LevelFilter) {
    let quiet = QUIET.iter().map(|library| format!(",{library}=warn"));
    let filter = format!("{level}{}", quiet.collect::<String>());
    let environment = env_logger::Env::default().default_filter_or(filter);
    let started = env_logger::Builder::from_env(environment)
        .format(|out, record| {
            let at = jiff::Timestamp::now();
            let style = out.default_level_style(record.level());
            let message = record.args().to_string();
            write!(out, "{at:.3} {style}{:<5}{style:#} {message}", record.level())?;
            let mut fields = Fields { message: &message, shown: Vec::new() };
            if record.key_values().visit(&mut fields).is_ok() && !fields.shown.is_empty() {
                write!(out, "  {{{}}}", fields.shown.join(" "))?;
            }
            writeln!(out)
        })
        .try_init();
    debug_assert!(started.is_ok(), "logging is started once");
}

/// The fields of a record as `name=value`, without those whose value the message says already.
struct Fields<'a> {
    message: &'a str,
    shown: Vec<String>,
}

impl<'kvs> log::kv::VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(
        &mut self,
        key: log::kv::Key<'kvs>,
        value: log::kv::Value<'kvs>,
    ) -> Result<(), log::kv::Error> {
        let value = value.to_string();
        if !self.message.contains(&value) {
            self.shown.push(format!("{key}={value}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_win_over_the_configuration() {
        let quiet = Options { quiet: true, ..Options::default() };
        assert_eq!(level(&quiet, true), LevelFilter::Error);
        let debug = Options { debug: true, quiet: true, ..Options::default() };
        assert_eq!(level(&debug, false), LevelFilter::Debug);
        assert_eq!(level(&Options::default(), true), LevelFilter::Debug);
        assert_eq!(level(&Options::default(), false), LevelFilter::Info);
    }
}
