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

/// Starts logging to stderr. `RUST_LOG` wins over `level`.
pub fn start(level: LevelFilter) {
    let environment = env_logger::Env::default().default_filter_or(level.as_str());
    let started = env_logger::Builder::from_env(environment)
        .format(|out, record| {
            let at = jiff::Timestamp::now();
            let style = out.default_level_style(record.level());
            write!(out, "{at:.3} {style}{:<5}{style:#} {}", record.level(), record.args())?;
            let mut fields = Fields(Vec::new());
            if record.key_values().visit(&mut fields).is_ok() && !fields.0.is_empty() {
                write!(out, "  {{{}}}", fields.0.join(" "))?;
            }
            writeln!(out)
        })
        .try_init();
    debug_assert!(started.is_ok(), "logging is started once");
}

/// The fields of a record as `name=value`.
struct Fields(Vec<String>);

impl<'kvs> log::kv::VisitSource<'kvs> for Fields {
    fn visit_pair(
        &mut self,
        key: log::kv::Key<'kvs>,
        value: log::kv::Value<'kvs>,
    ) -> Result<(), log::kv::Error> {
        self.0.push(format!("{key}={value}"));
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
