//! How the watched servers are logged in to and asked.

use crate::config::kinds::{Bool, FilePath, Millis, Password, Port, Seconds, Text, Whole};
use crate::config::table::Status::{Acted, Ignored, NotYet};
use crate::config::table::group;

group! {
    /// How the watched servers are logged in to and asked.
    servers: Servers;

    /// User on the watched servers.
    "MySQLTopologyUser" => user: Text = ""; Acted, OnReload;
    /// Password of that user; `${NAME}` takes it from the environment.
    "MySQLTopologyPassword" => password: Password = ""; Acted, OnReload;
    /// File with user and password in a section `[client]`; they win over the two keys.
    "MySQLTopologyCredentialsConfigFile" => credentials_file: FilePath = ""; Acted, OnReload;
    /// Private key shown to the watched servers.
    "MySQLTopologySSLPrivateKeyFile" => tls_key_file: FilePath = ""; Acted, OnReload;
    /// Certificate shown to the watched servers.
    "MySQLTopologySSLCertFile" => tls_cert_file: FilePath = ""; Acted, OnReload;
    /// Authority that signed the certificates of the watched servers.
    "MySQLTopologySSLCAFile" => tls_ca_file: FilePath = ""; Acted, OnReload;
    /// Does not verify the certificates of the watched servers.
    "MySQLTopologySSLSkipVerify" => tls_skip_verify: Bool = false; Acted, OnReload;
    /// Always uses TLS to the watched servers, with the certificate of its own if one is named.
    "MySQLTopologyUseMutualTLS" => mutual_tls: Bool = false; Acted, OnReload;
    /// Uses TLS with the servers that do not let the user in without it.
    "MySQLTopologyUseMixedTLS" => mixed_tls: Bool = true; Acted, OnReload;
    /// How long it is remembered that a server wants TLS, in polls.
    "TLSCacheTTLFactor" => tls_cache_polls: Whole<u32, 0, 1_000_000> = 100;
        Ignored("what a server wants is learnt at each handshake"), OnReload;
    /// Greatest packet exchanged with watched servers; -1 is the server's own limit.
    "MySQLTopologyMaxAllowedPacket" => max_packet_bytes: Whole<i64, -1, 1_073_741_824> = -1;
        Ignored("the limit of the server is used"), OnReload;
    /// How long a connection to a server may take to be made.
    "MySQLConnectTimeoutSeconds" | "ConnectTimeoutSeconds" => connect_timeout: Seconds<1, 300> = 2; Acted, OnReload;
    /// Deadline of one probe, which covers connect, handshake and all queries: a server that has not answered
    /// by then counts as failed. Without this key it is two seconds, or `MySQLConnectTimeoutSeconds` if longer.
    "ProbeDeadlineMilliseconds" => probe_deadline: Millis<100, 60_000> = 2_000; Acted, OnReload;
    /// How long an answer to a probe is awaited.
    "MySQLDiscoveryReadTimeoutSeconds" => discovery_read_timeout: Seconds<0, 3_600> = 10;
        Ignored("a whole probe has one deadline, ProbeDeadlineMilliseconds"), OnReload;
    /// How long the answer to a statement that changes a server is awaited.
    "MySQLTopologyReadTimeoutSeconds" => read_timeout: Seconds<1, 86_400> = 600; Acted, OnReload;
    /// Port of a server that is named without one.
    "DefaultInstancePort" => default_port: Port = 3306; Acted, OnReload;
    /// Query giving the replication user, password and TLS files: up to five columns.
    "ReplicationCredentialsQuery" => replication_credentials_query: Text = ""; Acted, OnReload;
    /// Sets and clears `super_read_only` together with `read_only`.
    "UseSuperReadOnly" => super_read_only: Bool = false;
        Ignored("super_read_only is always used where a server has it"), OnReload;
    /// Replicas that are worked on at once when many are moved.
    "MaxConcurrentReplicaOperations" => concurrency: Whole<usize, 1, 1_000> = 5; Acted, OnReload;
    /// How long one server is waited for when many are worked on.
    "InstanceBulkOperationsWaitTimeoutSeconds" => bulk_timeout: Seconds<0, 86_400> = 10; NotYet, OnReload;
}
