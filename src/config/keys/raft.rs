//! Several nodes that act as one.

use crate::config::kinds::{Bool, FilePath, Port, Text, Texts};
use crate::config::table::Status::{NotYet, Unavailable};
use crate::config::table::group;

group! {
    /// Several nodes that act as one.
    raft: Raft;

    /// Forms a group of nodes.
    "RaftEnabled" => enabled: Bool = false;
        Unavailable("raft is not available yet; this version runs a single node"), AtStart;
    /// Address on which this node listens for the others.
    "RaftBind" => bind: Text = "127.0.0.1:10008"; NotYet, AtStart;
    /// Address under which the others reach this node; empty is `RaftBind`.
    "RaftAdvertise" => advertise: Text = ""; NotYet, AtStart;
    /// Directory of the log.
    "RaftDataDir" => data_dir: FilePath = ""; NotYet, AtStart;
    /// Port of a node that is named without one.
    "DefaultRaftPort" => default_port: Port = 10_008; NotYet, AtStart;
    /// All nodes, this one included.
    "RaftNodes" => nodes: Texts = &[]; NotYet, AtStart;
}
