//! Commands that are run when something happens.

use crate::config::kinds::{Seconds, Text, Texts, Whole};
use crate::config::table::Status::{Acted, NotYet};
use crate::config::table::group;

group! {
    /// Commands that are run when something happens.
    hooks: Hooks;

    /// Shell that runs the commands.
    "ProcessesShellCommand" => shell: Text = "bash"; Acted, OnReload;
    /// How long one command may run before it is killed and counts as failed.
    "HookTimeoutSeconds" => timeout: Seconds<1, 86_400> = 60; Acted, OnReload;
    /// How much of the output of one command is kept.
    "MaxHookOutputBytes" => max_output_bytes: Whole<usize, 0, 16_777_216> = 65_536; Acted, OnReload;
    /// Commands run when a failure is detected.
    "OnFailureDetectionProcesses" => on_detection: Texts = &[]; Acted, OnReload;
    /// Commands run before a planned take-over; one that fails stops it.
    "PreGracefulTakeoverProcesses" => pre_takeover: Texts = &[]; NotYet, OnReload;
    /// Commands run before a recovery; one that fails stops it.
    "PreFailoverProcesses" => pre_failover: Texts = &[]; Acted, OnReload;
    /// Commands run after a recovery that succeeded.
    "PostFailoverProcesses" => post_failover: Texts = &[]; Acted, OnReload;
    /// Commands run after a recovery that did not succeed.
    "PostUnsuccessfulFailoverProcesses" => post_unsuccessful: Texts = &[]; Acted, OnReload;
    /// Commands run after a primary was replaced.
    "PostMasterFailoverProcesses" => post_primary: Texts = &[]; Acted, OnReload;
    /// Commands run after an intermediate primary was bypassed.
    "PostIntermediateMasterFailoverProcesses" => post_intermediate: Texts = &[]; Acted, OnReload;
    /// Commands run after a planned take-over.
    "PostGracefulTakeoverProcesses" => post_takeover: Texts = &[]; NotYet, OnReload;
    /// Commands run after a replica took the place of its source.
    "PostTakeMasterProcesses" => post_take_primary: Texts = &[]; NotYet, OnReload;
}
