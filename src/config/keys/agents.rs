//! Agents on database hosts, which took and restored backups for the ancestor.

use crate::config::kinds::{Bool, FilePath, Hours, Minutes, Seconds, Text, Texts};
use crate::config::table::{Status::NotYet, group};

group! {
    /// Agents on database hosts, which took and restored backups for the ancestor.
    agents: Agents;

    /// Address on which agents are listened for.
    "AgentsServerPort" => listen: Text = ":3001"; NotYet, AtStart;
    /// Listens for agents.
    "ServeAgentsHttp" => enabled: Bool = false; NotYet, AtStart;
    /// Uses TLS with agents.
    "AgentsUseSSL" => tls: Bool = false; NotYet, AtStart;
    /// Uses certificates on both sides with agents.
    "AgentsUseMutualTLS" => mutual_tls: Bool = false; NotYet, AtStart;
    /// Does not verify the certificates of agents.
    "AgentSSLSkipVerify" => tls_skip_verify: Bool = false; NotYet, AtStart;
    /// Private key shown to agents.
    "AgentSSLPrivateKeyFile" => tls_key_file: FilePath = ""; NotYet, AtStart;
    /// Certificate shown to agents.
    "AgentSSLCertFile" => tls_cert_file: FilePath = ""; NotYet, AtStart;
    /// Authority that signed the certificates of agents.
    "AgentSSLCAFile" => tls_ca_file: FilePath = ""; NotYet, AtStart;
    /// Organisational units of agents that are let in.
    "AgentSSLValidOUs" => tls_valid_units: Texts = &[]; NotYet, AtStart;
    /// How often agents are asked.
    "AgentPollMinutes" => poll: Minutes<1, 525_600> = 60; NotYet, OnReload;
    /// How long an agent may be unseen before it is forgotten.
    "UnseenAgentForgetHours" => forget_after: Hours<1, 87_600> = 6; NotYet, OnReload;
    /// How long a restore may stand still before it has failed.
    "StaleSeedFailMinutes" => stale_seed_after: Minutes<1, 525_600> = 60; NotYet, OnReload;
    /// How long is waited before a backup is sent.
    "SeedWaitSecondsBeforeSend" => seed_wait: Seconds<0, 86_400> = 2; NotYet, OnReload;
}
