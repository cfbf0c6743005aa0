//! What is written down of what was done.

use crate::config::kinds::{Bool, Days, FilePath};
use crate::config::table::Status::{Acted, NotYet};
use crate::config::table::group;

group! {
    /// What is written down of what was done.
    audit: Audit;

    /// File that gets a line for everything done.
    "AuditLogFile" => file: FilePath = ""; NotYet, OnReload;
    /// Writes these lines to syslog.
    "AuditToSyslog" => syslog: Bool = false; NotYet, AtStart;
    /// Writes these lines to the backend database.
    "AuditToBackendDB" => backend: Bool = false; NotYet, OnReload;
    /// How long audit, detections and recoveries are kept.
    "AuditPurgeDays" => keep: Days<1, 36_500> = 7; Acted, OnReload;
}
