//! A cluster's tree as text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::analysis::{Status, health};
use crate::instance::Instance;
use crate::key::InstanceKey;
use crate::policy::AnalysisPolicy;
use crate::registry::Registry;
use crate::tags;
use crate::topology::{Member, Topology};

/// How a tree is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `name [lag,status,…]`.
    Plain,
    /// Columns behind `|`.
    Tabulated,
    /// Plain, with tags behind.
    Tags,
}

/// What a tree is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Drawing<'a> {
    /// The servers of one cluster.
    pub topology: &'a Topology,
    /// Downtimes and tags.
    pub registry: &'a Registry,
    /// What counts as late.
    pub policy: &'a AnalysisPolicy,
    /// The moment of the request.
    pub now: Timestamp,
}

impl Drawing<'_> {
    /// One line for each server: the cluster's primary first, replicas below their source, by key.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let rows = self.rows();
        let names: Vec<String> =
            rows.iter().map(|(level, member)| self.name(*level, member)).collect();
        let columns: Vec<Vec<String>> =
            rows.iter().map(|(_, member)| self.columns(member)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let widths = column_widths(&columns);
        rows.iter()
            .zip(names.iter().zip(&columns))
            .map(|((_, member), (name, columns))| match style {
                Style::Plain => format!("{name:width$} {}", bracketed(columns)),
                Style::Tags => {
                    let tags = self.registry.tags.get(&member.key).map(tags::short);
                    let tags = tags.unwrap_or_default();
                    format!("{name:width$} {} [{tags}]", bracketed(columns))
                }
                Style::Tabulated => {
                    let line = format!("{name:width$}|{}", tabulated(columns, &widths));
                    line.trim_end().to_owned()
                }
            })
            .collect()
    }

    /// The description of one server: `[lag,status,version,ro|rw,binlog format,extras]`.
    pub fn description(&self, member: &Member) -> String {
        bracketed(&self.columns(member))
    }

    /// All members with their levels, top down.
    fn rows(&self) -> Vec<(usize, &Arc<Member>)> {
        let mut children: BTreeMap<&InstanceKey, Vec<&Arc<Member>>> = BTreeMap::new();
        let (mut tops, mut others) = (Vec::new(), Vec::new());
        for member in self.topology.members() {
            match member.parent().filter(|parent| self.topology.get(parent).is_some()) {
                Some(parent) => {
                    children.entry(parent).or_default().push(member);
                    others.push(member);
                }
                None => tops.push(member),
            }
        }
        // A ring has no top; its servers follow by depth.
        others.sort_by_key(|member| member.place.depth);
        let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
        for top in tops.into_iter().chain(others) {
            let mut open = vec![(0, top)];
            while let Some((level, member)) = open.pop() {
                if !seen.insert(&member.key) {
                    continue;
                }
                rows.push((level, member));
                let below = children.get(&member.key).into_iter().flatten().rev();
                open.extend(below.map(|child| (level + 1, *child)));
            }
        }
        rows
    }

    /// Indentation, sign of replication, key, alias.
    fn name(&self, level: usize, member: &Member) -> String {
        let instance = member.instance.as_deref();
        let sign = if level == 0 {
            ""
        } else if instance.is_some_and(Instance::is_group_secondary) {
            "‡ "
        } else if self.replicates(member) {
            "+ "
        } else {
            "- "
        };
        let indent = "  ".repeat(level.saturating_sub(1));
        let alias = instance
            .and_then(|instance| instance.alias.as_ref())
            .filter(|alias| !alias.is_empty())
            .map(|alias| format!(" ({alias})"))
            .unwrap_or_default();
        format!("{indent}{sign}{}{alias}", member.key)
    }

    fn replicates(&self, member: &Member) -> bool {
        let fresh = match health(member, self.policy, self.now) {
            Status::Invalid | Status::Unchecked => false,
            Status::NonReplicating | Status::Lag | Status::Ok => true,
        };
        fresh && member.instance.as_ref().is_some_and(|instance| instance.is_replicating())
    }

    /// Lag, status, version, writability, binary log, extras; the last may be empty.
    fn columns(&self, member: &Member) -> Vec<String> {
        let status = health(member, self.policy, self.now);
        let lag = lag(member, status);
        let Some(instance) = member.instance.as_deref() else {
            return vec![lag, status.name().to_owned(), "Unknown".to_owned()];
        };
        let format = instance.binlog.format.map_or("", |format| format.name());
        vec![
            lag,
            status.name().to_owned(),
            instance.version.text().to_owned(),
            if instance.read_only { "ro" } else { "rw" }.to_owned(),
            if instance.binlog.enabled { format } else { "nobinlog" }.to_owned(),
            self.extras(member, instance),
        ]
    }

    fn extras(&self, member: &Member, instance: &Instance) -> String {
        let logs_updates = instance.binlog.enabled && instance.binlog.logs_updates;
        let gtid = instance.supports_oracle_gtid()
            || instance.uses_oracle_gtid()
            || instance.uses_mariadb_gtid();
        let errant = !member.errant.is_empty();
        let semi_source = instance.semi_sync.source.is_some_and(|source| source.enabled);
        let semi_replica = instance.semi_sync.replica.is_some_and(|replica| replica.enabled);
        let downtimed = self.registry.downtime(&member.key, self.now).is_some();
        let extras = [
            (logs_updates, ">>"),
            (gtid && !errant, "GTID"),
            (gtid && errant, "GTID:errant"),
            (instance.pseudo_gtid, "P-GTID"),
            (semi_source, "semi:master"),
            (semi_replica, "semi:replica"),
            (downtimed, "downtimed"),
        ];
        let shown: Vec<&str> =
            extras.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect();
        shown.join(",")
    }
}

/// The lag in the words that trees use.
fn lag(member: &Member, status: Status) -> String {
    let replication = member.instance.as_ref().and_then(|instance| instance.replication.as_ref());
    let executed = replication.and_then(|replication| replication.executed.as_ref());
    if executed.is_some_and(|at| at.file.starts_with(crate::key::DETACH_HINT)) {
        return "detached".to_owned();
    }
    match status {
        Status::Invalid | Status::Unchecked => "unknown".to_owned(),
        Status::NonReplicating | Status::Lag | Status::Ok => replication
            .and_then(|replication| replication.lag_s)
            .map_or_else(|| "null".to_owned(), |lag| format!("{lag}s")),
    }
}

fn bracketed(columns: &[String]) -> String {
    let filled: Vec<&str> =
        columns.iter().map(String::as_str).filter(|column| !column.is_empty()).collect();
    format!("[{}]", filled.join(","))
}

fn column_widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest =
        |index: usize| rows.iter().filter_map(move |row| row.get(index)?.len().into()).max();
    (0..columns).map(|index| widest(index).unwrap_or(0)).collect()
}

/// The first column, the lag, is aligned to the right.
fn tabulated(columns: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(index, width)| {
            let cell = columns.get(index).map_or("", String::as_str);
            if index == 0 { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        })
        .collect();
    cells.join("|")
}
