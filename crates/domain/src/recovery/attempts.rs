//! What was tried in vain during one run of a recovery. Kept in memory: a new run tries anew.

use std::collections::BTreeMap;

use crate::key::InstanceKey;
use crate::step::Step;

/// The steps that failed, and those that were taken and changed nothing that can be seen.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    failures: BTreeMap<(InstanceKey, &'static str), Vec<String>>,
    taken: BTreeMap<(InstanceKey, &'static str), usize>,
}

/// A step that was taken as often as this without its effect being seen is given up.
const MOST_TAKEN: usize = 5;

impl Attempts {
    /// Notes a step that failed.
    pub fn failed(&mut self, step: &Step, error: &str) {
        self.failures.entry(name(step)).or_default().push(error.to_owned());
    }

    /// Notes a step that was taken.
    pub fn taken(&mut self, step: &Step) {
        *self.taken.entry(name(step)).or_default() += 1;
    }

    /// Why steps of this kind are not tried on `server` again, once they failed `limit` times.
    pub(crate) fn given_up(
        &self,
        server: &InstanceKey,
        kind: &'static str,
        limit: usize,
    ) -> Option<String> {
        let name = (server.clone(), kind);
        let failures = self.failures.get(&name).map_or(&[][..], Vec::as_slice);
        if let Some(last) = failures.last().filter(|_| failures.len() >= limit) {
            return Some(format!("could not {}: {last}", words(kind)));
        }
        let taken = self.taken.get(&name).copied().unwrap_or_default();
        (taken >= MOST_TAKEN)
            .then(|| format!("{taken} times it was told to {}, without effect", words(kind)))
    }

    /// A step of this kind was taken on `server`.
    pub(crate) fn was_taken(&self, server: &InstanceKey, kind: &'static str) -> bool {
        self.taken.contains_key(&(server.clone(), kind))
    }

    /// The two latest failures of steps of this kind on `server` are the same: nothing moves.
    pub(crate) fn stands_still(&self, server: &InstanceKey, kind: &'static str) -> bool {
        let failures = self.failures.get(&(server.clone(), kind));
        failures.is_some_and(|failures| match failures.as_slice() {
            [.., before, last] => before == last,
            [_] | [] => false,
        })
    }

    /// The latest failure of any step of this kind on `server`.
    pub(crate) fn last_error(&self, server: &InstanceKey, kind: &'static str) -> Option<&str> {
        self.failures.get(&(server.clone(), kind))?.last().map(String::as_str)
    }
}

fn name(step: &Step) -> (InstanceKey, &'static str) {
    (step.server().clone(), step.kind())
}

/// A kind of step, to be read after "could not".
fn words(kind: &'static str) -> String {
    kind.replace('-', " ")
}
