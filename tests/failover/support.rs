//! A topology, a node that watches it, and what tests ask of both.

use std::path::Path;
use std::time::Duration;

use ham4db_testkit::{Flavour, Gtid, Ham4db, Shape, Topology, poll_until};
use serde_json::{Value, json};

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The flavours on which every claim about recoveries is shown.
pub const BOTH: [Flavour; 2] = [Flavour::Mysql97, Flavour::Mariadb1011];

/// Servers and the node that watches them.
pub struct Scene {
    pub node: Ham4db,
    pub topology: Topology,
}

impl Scene {
    /// A primary with `replicas` replicas, all of them known to a node.
    pub fn of(flavour: Flavour, replicas: u16, keys: &Value) -> Self {
        Self::shaped(flavour, replicas, Shape::Star, Gtid::On, keys)
    }

    pub fn shaped(flavour: Flavour, replicas: u16, shape: Shape, gtid: Gtid, keys: &Value) -> Self {
        let topology = Topology::start(flavour, replicas, shape, gtid).unwrap();
        Self::watching(topology, keys)
    }

    /// A node that has found all servers of `topology`, beginning with the last one.
    pub fn watching(topology: Topology, keys: &Value) -> Self {
        let node = Ham4db::start(binary(), &with_seed(&topology, keys)).unwrap();
        let scene = Self { node, topology };
        scene.await_replicas(&scene.key(0), scene.topology.servers() - 1);
        scene
    }

    pub fn key(&self, n: usize) -> String {
        self.topology.key(n)
    }

    /// Waits until ham4db sees `count` replicas replicating in the cluster of `primary`.
    pub fn await_replicas(&self, primary: &str, count: usize) {
        poll_until(&format!("{count} replicas in the cluster of {primary}"), PATIENCE, || {
            let running = |one: &&Value| {
                one["ReplicationIOThreadRuning"] == json!(true)
                    && one["ReplicationSQLThreadRuning"] == json!(true)
                    && one["IsLastCheckValid"] == json!(true)
            };
            let cluster = self.node.get(&format!("/api/cluster/{primary}")).ok()?;
            (cluster.as_array()?.iter().filter(running).count() == count).then_some(())
        });
    }

    pub fn get(&self, path: &str) -> Value {
        self.node.get(path).unwrap()
    }

    /// What `why` tells of server `n`, if it tells anything.
    pub fn why(&self, n: usize) -> Option<Value> {
        let story = self.node.get(&format!("/api/why/{}", path_of(&self.key(n)))).ok()?;
        story["subject"].is_object().then_some(story)
    }

    /// Waits for the end of the recovery of server `n`, whatever it is.
    pub fn await_end(&self, n: usize) -> Value {
        poll_until(&format!("the end of a recovery of {}", self.key(n)), PATIENCE, || {
            self.why(n).filter(|story| story["outcome"].is_object())
        })
    }

    /// Waits until a recovery of server `n` has succeeded; the story, and the number of the successor.
    pub fn await_recovery(&self, n: usize) -> (Value, usize) {
        let story = poll_until(&format!("a recovery of {}", self.key(n)), PATIENCE, || {
            self.why(n).filter(|story| story["outcome"]["outcome"] == json!("recovered"))
        });
        let successor = told_key(&story["outcome"]["successor"]);
        let number = self.topology.number(&successor);
        (story, number.unwrap_or_else(|| panic!("{successor} is none of the servers")))
    }

    /// Waits until `why` gives a reason not to recover server `n` in which `words` occur.
    pub fn await_refusal(&self, n: usize, words: &str) {
        poll_until(&format!("a refusal for {} with {words:?}", self.key(n)), PATIENCE, || {
            let story = self.why(n)?;
            story["refusal"].as_str()?.contains(words).then_some(())
        });
    }

    /// Waits until ham4db has read server `n` so many times more.
    pub fn await_readings(&self, n: usize, count: usize) {
        let path = format!("/api/instance/{}", path_of(&self.key(n)));
        // In nanoseconds: no two readings take the same time.
        let reading = || self.node.get(&path).ok().map(|one| text(&one["LastDiscoveryLatency"]));
        let (mut last, mut seen) = (reading(), 0);
        poll_until(&format!("{count} readings of {}", self.key(n)), PATIENCE, || {
            let now = reading();
            if now != last {
                (last, seen) = (now, seen + 1);
            }
            (seen >= count).then_some(())
        });
    }

    /// Waits until ham4db has tried for so many seconds to read the server at `key`, in vain.
    pub fn await_unseen(&self, key: &str, seconds: i64) {
        let path = format!("/api/instance/{}", path_of(key));
        poll_until(&format!("{key} is unseen for {seconds} s"), PATIENCE, || {
            let one = self.node.get(&path).ok()?;
            (one["SecondsSinceLastSeen"]["Int64"].as_i64()? >= seconds).then_some(())
        });
    }

    /// Recoveries that were ever begun.
    pub fn recoveries(&self) -> usize {
        self.get("/api/audit-recovery").as_array().unwrap().len()
    }

    /// The servers `followers` follow `successor`, with both threads running.
    pub fn await_followers(&self, followers: &[usize], successor: usize) {
        let source = self.key(successor);
        for n in followers {
            poll_until(&format!("{} follows {source}", self.key(*n)), PATIENCE, || {
                (self.topology.follows(*n)? == source).then_some(())
            });
        }
    }

    /// Waits until server `n` refuses writes, of everybody where it can.
    pub fn await_fenced(&self, n: usize) {
        let sql = match self.topology.flavour {
            Flavour::Mysql97 => "SELECT @@global.read_only + @@global.super_read_only = 2",
            _ => "SELECT @@global.read_only = 1",
        };
        poll_until(&format!("{} is fenced", self.key(n)), PATIENCE, || {
            (self.topology.value(n, sql).ok()?? == "1").then_some(())
        });
    }

    /// Runs the client; its standard output.
    pub fn client(&self, arguments: &[&str]) -> String {
        let (code, said, error) = self.node.cli(arguments).unwrap();
        assert_eq!(code, 0, "ham4db {}: {error}", arguments.join(" "));
        said
    }
}

pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ham4db"))
}

/// The last server as a seed: a replica, from which everybody else has to be found.
pub fn with_seed(topology: &Topology, keys: &Value) -> Value {
    let mut all = json!({
        "DiscoverySeeds": [topology.key(topology.servers() - 1)],
        "InstancePollSeconds": 2,
    });
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    all
}

/// `host:port` as two parts of a path.
pub fn path_of(key: &str) -> String {
    key.replace(':', "/")
}

/// A key as `why` tells it.
pub fn told_key(key: &Value) -> String {
    format!("{}:{}", text(&key["host"]), key["port"])
}

pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
