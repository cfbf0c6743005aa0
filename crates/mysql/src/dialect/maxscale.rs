//! `MaxScale`'s binlog router: serves binary logs, holds no data, answers few questions.

use super::{Dialect, Variable};

pub(super) struct MaxScale;

impl Dialect for MaxScale {
    fn basics(&self) -> Vec<Variable> {
        vec![("@@server_id", "server_id")]
    }

    fn semi_sync_variables(&self) -> Option<&'static str> {
        None
    }

    fn status(&self) -> &'static str {
        "SHOW STATUS LIKE 'Uptime'"
    }
}
