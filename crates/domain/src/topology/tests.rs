use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::fixture::{OTHER, key, later, now};
use crate::instance::{GroupMember, Positioning};
use crate::policy::AliasPolicy;
use crate::registry::Registry;
use crate::version::Flavor;

fn uuid(host: &str) -> String {
    let number = host.bytes().fold(0_u32, |number, byte| number * 256 + u32::from(byte));
    format!("{number:08x}-0000-0000-0000-000000000000")
}

/// A server with a source, or without one for the empty text.
fn server(host: &str, source: &str) -> Server {
    let mut instance = crate::fixture::instance(host, 1, Flavor::MySql, Positioning::OracleGtid);
    instance.server_uuid = Some(uuid(host));
    if !source.is_empty() {
        instance.replication = Some(crate::fixture::replication(source, Positioning::OracleGtid));
    }
    let seen = Some(now());
    let checks = Checks { last_checked: seen, last_seen: seen, ..Checks::default() };
    Server { key: key(host), instance: Some(Arc::new(instance)), checks, silent_for: None }
}

fn changed(mut server: Server, change: impl FnOnce(&mut Instance)) -> Server {
    change(Arc::make_mut(server.instance.as_mut().unwrap()));
    server
}

fn group(role: &str, primary: &str) -> GroupMember {
    GroupMember {
        name: "gggggggg".into(),
        single_primary: true,
        state: "ONLINE".into(),
        role: role.into(),
        members: Vec::new(),
        primary: Some(key(primary)),
    }
}

/// `host/cluster/depth`, and `*` for a co-source.
fn places(clusters: &[Topology]) -> Vec<String> {
    let members = clusters.iter().flat_map(Topology::members);
    members
        .map(|member| {
            let place = &member.place;
            let (host, star) = (&member.key.host, if place.is_co_source { "*" } else { "" });
            format!("{host}/{}/{}{star}", place.cluster.trim_end_matches(":3306"), place.depth)
        })
        .collect()
}

#[test]
fn every_server_finds_its_place_in_one_go() {
    let cases: [(&str, Vec<Server>, &[&str]); 7] = [
        (
            "a chain",
            vec![server("c", "b"), server("a", ""), server("b", "a")],
            &["a/a/0", "b/a/1", "c/a/2"],
        ),
        ("two clusters", vec![server("a", ""), server("b", "")], &["a/a/0", "b/b/0"]),
        ("an unknown source", vec![server("b", "x"), server("c", "b")], &["b/b/0", "c/b/1"]),
        (
            "co-sources",
            vec![server("b", "a"), server("a", "b"), server("c", "b")],
            &["a/a/0*", "b/a/1*", "c/a/2"],
        ),
        (
            "a ring of three",
            vec![server("a", "c"), server("b", "a"), server("c", "b"), server("d", "c")],
            &["a/a/0", "b/a/1", "c/a/2", "d/a/3"],
        ),
        ("itself", vec![server("a", "a"), server("b", "a")], &["a/a/0", "b/a/1"]),
        ("a detached source", vec![server("a", ""), server("b", "//a")], &["a/a/0", "b/b/0"]),
    ];
    for (name, servers, expected) in cases {
        assert_eq!(places(&arrange(servers)), expected, "{name}");
    }
}

#[test]
fn a_server_only_heard_of_is_a_member_and_names_the_cluster() {
    let heard =
        Server { key: key("x"), instance: None, checks: Checks::default(), silent_for: None };
    let replica = server("b", "x");
    assert_eq!(unknown_sources([&replica]), BTreeSet::from([key("x")]));
    assert_eq!(unknown_sources([&replica, &heard]), BTreeSet::new());
    assert_eq!(places(&arrange([replica, heard])), ["b/x/1", "x/x/0"]);
}

#[test]
fn group_members_hang_below_their_primary() {
    let member = |host, role| changed(server(host, ""), |it| it.group = Some(group(role, "g1")));
    let servers = [member("g2", "SECONDARY"), member("g1", "PRIMARY"), server("r", "g2")];
    let clusters = arrange(servers);
    assert_eq!(places(&clusters), ["g1/g1/0", "g2/g1/1", "r/g1/2"]);
    let ancestry = &clusters[0].get(&key("r")).unwrap().place.ancestry;
    assert_eq!(*ancestry, [uuid("g1"), "gggggggg".into(), uuid("g2"), uuid("r")]);
}

#[test]
fn a_suggested_alias_is_inherited_from_the_top() {
    let with = |server, alias: &str| {
        let alias = alias.to_owned();
        changed(server, |it| it.suggested_alias = Some(alias))
    };
    let clusters =
        arrange([with(server("a", ""), "shop"), with(server("b", "a"), "other"), server("c", "b")]);
    for member in clusters[0].members() {
        assert_eq!(member.place.suggested_alias.as_deref(), Some("shop"), "{}", member.key);
    }
}

#[test]
fn an_old_primary_that_comes_back_does_not_take_the_alias_along() {
    let named = |server| changed(server, |it| it.suggested_alias = Some("shop".into()));
    let writable = |server| changed(server, |it| it.read_only = false);
    let (old, new) = (named(writable(server("a", ""))), named(writable(server("b", ""))));
    let clusters = arrange([old, new, server("c", "b")]);
    let (registry, policy) = (Registry::default(), AliasPolicy::default());
    let found = aliases(&clusters, &registry, &policy, now());
    assert_eq!(found["b:3306"], "shop");
    assert_eq!(found["a:3306"], "a:3306");

    let policy = AliasPolicy { by_name: vec![("^a:".into(), "by-name".into())], ..policy };
    assert_eq!(alias_of(&clusters[0], &registry, &policy, now()), "shop", "looked at alone");
    assert_eq!(aliases(&clusters, &registry, &policy, now())["a:3306"], "by-name");
    let mut registry = registry;
    registry.aliases.insert("b:3306".into(), "by-hand".into());
    assert_eq!(aliases(&clusters, &registry, &policy, now())["b:3306"], "by-hand");
}

#[test]
fn only_what_a_replica_wrote_itself_is_errant() {
    let with = |server, executed: String| {
        changed(server, |it| it.gtid.executed = executed.parse().unwrap())
    };
    let (a, b) = (uuid("a"), uuid("b"));
    let errant = |servers: Vec<Server>, host: &str| {
        let clusters = arrange(servers);
        clusters.iter().find_map(|one| one.get(&key(host))).unwrap().errant.to_string()
    };
    let source = || with(server("a", ""), format!("{a}:1-10"));
    let ahead = with(server("b", "a"), format!("{a}:1-12"));
    assert_eq!(errant(vec![source(), ahead], "b"), "", "it was read later than its source");
    let wrote = || with(server("b", "a"), format!("{a}:1-10,{b}:1-2"));
    assert_eq!(errant(vec![source(), wrote()], "b"), format!("{b}:1-2"));
    let foreign = with(server("b", "a"), format!("{a}:1-10,{OTHER}:5"));
    assert_eq!(errant(vec![source(), foreign], "b"), format!("{OTHER}:5"));
    let pair = vec![with(server("a", "b"), format!("{a}:1-10,{b}:1")), wrote()];
    assert_eq!(errant(pair, "b"), "", "co-sources write and hand on");
    let handed_on = with(server("a", ""), format!("{a}:1-10,{b}:1-2"));
    assert_eq!(errant(vec![handed_on, wrote()], "b"), "", "it reached the source");
}

#[test]
fn descendants_and_primaries_are_found() {
    let writable = |server| changed(server, |it| it.read_only = false);
    let clusters =
        arrange([server("a", "b"), writable(server("b", "a")), server("c", "b"), server("d", "c")]);
    let cluster = &clusters[0];
    assert!(cluster.is_descendant(&key("d"), &key("b")));
    assert!(cluster.is_descendant(&key("d"), &key("a")));
    assert!(!cluster.is_descendant(&key("b"), &key("d")));
    assert!(!cluster.is_descendant(&key("z"), &key("b")));
    let below: Vec<_> =
        cluster.descendants_of(&key("b")).iter().map(|member| member.key.host.clone()).collect();
    assert_eq!(below, ["a", "c", "d"]);
    assert_eq!(cluster.primary("a:3306").unwrap().key, key("b"), "the writable one");
    assert_eq!(arrange([server("a", "")])[0].writable_primary("a:3306"), None);
}

#[test]
fn new_facts_that_move_servers_are_not_put_in_place() {
    let clusters = arrange([server("a", ""), server("b", "a")]);
    assert!(clusters[0].replace(server("z", "a")).is_none());
    assert!(clusters[0].replace(server("b", "z")).is_none());
    let mut unseen = server("b", "a");
    unseen.instance = None;
    assert!(clusters[0].replace(unseen).is_none());
}

/// Any links between few servers, and which GTIDs each has executed.
fn fleets() -> impl Strategy<Value = Vec<Server>> {
    let hosts = ["a", "b", "c", "d", "e", "f"];
    let source = prop_oneof![Just(""), proptest::sample::select(hosts.to_vec())];
    let each = proptest::collection::vec((source, 0_u8..4), hosts.len());
    each.prop_map(move |drawn| {
        let servers = hosts.iter().zip(drawn).map(|(host, (source, wrote))| {
            changed(server(host, source), |it| it.gtid.executed = executed(host, wrote))
        });
        servers.collect()
    })
}

fn executed(host: &str, wrote: u8) -> GtidSet {
    let own = if wrote == 0 { String::new() } else { format!(",{}:1-{wrote}", uuid(host)) };
    format!("{OTHER}:1-10{own}").parse().unwrap()
}

proptest! {
    /// Whatever the links are, nobody is lost, nobody is doubled, and the order of the servers does not matter.
    #[test]
    fn every_server_is_in_exactly_one_cluster(servers in fleets()) {
        let clusters = arrange(servers.clone());
        let mut found: Vec<_> =
            clusters.iter().flat_map(Topology::members).map(|member| member.key.clone()).collect();
        found.sort();
        prop_assert_eq!(found, servers.iter().map(|server| server.key.clone()).collect::<Vec<_>>());
        prop_assert!(clusters.iter().all(|cluster| cluster.clusters().len() == 1));
        let mut reversed = servers;
        reversed.reverse();
        prop_assert_eq!(arrange(reversed), clusters);
    }

    /// The hot path and the long way come to the same.
    #[test]
    fn replacing_facts_equals_arranging_anew(servers in fleets(), which in 0_usize..6, wrote in 0_u8..4) {
        let clusters = arrange(servers.clone());
        let mut servers = servers;
        let host = servers[which].key.host.clone();
        servers[which] =
            changed(servers[which].clone(), |it| it.gtid.executed = executed(&host, wrote));
        servers[which].checks.last_checked = Some(later(1));
        let anew = arrange(servers.clone());
        let at = clusters.iter().position(|one| one.get(&key(&host)).is_some()).unwrap();
        let replaced = clusters[at].replace(servers[which].clone());
        prop_assert_eq!(replaced.as_ref(), Some(&anew[at]));
    }
}
