//! The pages of `why` and `plan`: plain text of at most [`WIDTH`] columns.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

use crate::checks::seconds_between;
use crate::explain::{Explanation, facts};
use crate::key::InstanceKey;
use crate::recovery::{Choice, Kind, Outcome, Plan, Rejected, keys};
use crate::registry::{Acknowledgement, AuditedStep, Fence, Registry};
use crate::step::Step;

/// The widest line.
pub const WIDTH: usize = 100;

/// What became of a recovery since it ended; all unknown when nobody asks the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Aftermath {
    /// Its number.
    pub id: Option<u64>,
    /// Who has taken note of it.
    pub acknowledged: Option<Acknowledgement>,
    /// Until when it blocks the next automatic recovery of the cluster.
    pub blocks_until: Option<Timestamp>,
    /// The fence around the old primary.
    pub fence: Option<Fence>,
}

impl Aftermath {
    /// What the log knows of the recovery that `explanation` tells of; `block` is `RecoveryPeriodBlockSeconds`.
    pub fn of(explanation: &Explanation, registry: &Registry, block: Duration) -> Self {
        let uid = explanation.recovery.as_ref();
        let Some(recovery) = uid.and_then(|uid| registry.recoveries.get(uid)) else {
            return Self::default();
        };
        let aborted = matches!(explanation.outcome, Some(Outcome::Aborted { .. }));
        let blocks = recovery.acknowledged.is_none() && !aborted;
        let until = jiff::SignedDuration::try_from(block)
            .ok()
            .and_then(|block| recovery.opened.checked_add(block).ok());
        Self {
            id: Some(recovery.id),
            acknowledged: recovery.acknowledged.clone(),
            blocks_until: until.filter(|_| blocks),
            fence: registry.fences.get(&recovery.intent.failed).cloned(),
        }
    }
}

impl Explanation {
    /// The whole story on a page of plain text.
    pub fn page(&self, aftermath: &Aftermath) -> String {
        let mut page = Page::titled(&self.headline());
        self.tell_times(&mut page, aftermath);
        self.tell_observations(&mut page);
        self.tell_rule(&mut page);
        if let Some(refusal) = &self.refusal {
            page.section("Why nothing is done");
            page.text(2, refusal);
        }
        if let Some(choice) = &self.choice {
            tell_choice(&mut page, choice);
        }
        self.tell_steps(&mut page);
        self.tell_hooks(&mut page);
        page.list("What to do now", self.advice(aftermath));
        page.text
    }

    fn headline(&self) -> String {
        let subject = &self.subject;
        let took = self.duration().map_or_else(String::new, |took| format!(" after {took}"));
        match (&self.outcome, &self.refusal, &self.problem) {
            (Some(Outcome::Recovered { successor, .. }), _, _) => {
                format!("{subject} failed; {successor} took over{took}")
            }
            (Some(Outcome::Failed { .. }), _, _) => {
                format!("{subject} failed; THE RECOVERY FAILED{took}")
            }
            (Some(Outcome::Aborted { .. }), _, _) => {
                format!("{subject} failed; the recovery was given up{took}, nothing has changed")
            }
            (None, Some(_), _) => format!("{subject} has failed; nothing is done about it"),
            (None, None, Some(problem)) if self.recovery.is_none() => {
                format!("{subject}: {}", problem.codes().join(", "))
            }
            (None, None, _) => format!("{subject} failed; its recovery is under way"),
        }
    }

    /// From the first sign of trouble to the last step.
    fn duration(&self) -> Option<String> {
        let first = self.first_suspected?;
        let last = self.steps.iter().map(|step| step.at).max()?;
        Some(seconds(seconds_between(first, last)))
    }

    fn tell_times(&self, page: &mut Page, aftermath: &Aftermath) {
        let day = self.first_suspected.unwrap_or(self.decided);
        let number = aftermath.id.map_or_else(String::new, |id| format!("recovery {id}, "));
        let uid =
            self.recovery.as_ref().map_or_else(String::new, |uid| format!(" ({number}{uid})"));
        page.text(0, &format!("Cluster {}{uid}. {}, times are UTC.", self.cluster, date(day)));
        page.section("When");
        if let Some(first) = self.first_suspected {
            page.row(&clock(first), "first sign of trouble");
        }
        page.row(&clock(self.decided), &self.after_first(self.decided, "decided"));
        if let Some(writable) = self.step_of("writable") {
            page.row(&clock(writable.at), &self.after_first(writable.at, "writable again"));
        }
        let last = self.steps.iter().map(|step| step.at).max();
        if let Some(last) = last.filter(|_| self.outcome.is_some()) {
            page.row(&clock(last), &self.after_first(last, "over"));
        }
    }

    /// The step by which the successor became writable.
    fn step_of(&self, word: &str) -> Option<&AuditedStep> {
        let successor = match &self.outcome {
            Some(Outcome::Recovered { successor, .. }) => successor,
            Some(Outcome::Failed { .. } | Outcome::Aborted { .. }) | None => return None,
        };
        let message = format!("make {successor} {word}");
        self.steps.iter().find(|step| step.error.is_none() && step.message.starts_with(&message))
    }

    fn after_first(&self, at: Timestamp, what: &str) -> String {
        match self.first_suspected {
            Some(first) => {
                format!("{what}, {} after the first sign", seconds(seconds_between(first, at)))
            }
            None => what.to_owned(),
        }
    }

    fn tell_observations(&self, page: &mut Page) {
        if self.observations.is_empty() {
            return;
        }
        page.section("What was seen");
        for observation in &self.observations {
            let head = format!("{}  {}", clock(observation.at), observation.server);
            page.entry(&head, &observation.words);
        }
    }

    fn tell_rule(&self, page: &mut Page) {
        let Some(problem) = &self.problem else { return };
        page.section("What that means");
        page.text(2, &format!("{}: {}.", problem.code.name(), problem.code.description()));
        for fact in facts::words(&problem.facts) {
            page.item(&fact);
        }
        for warning in &problem.warnings {
            page.item(&format!("{}: {}", warning.name(), warning.description()));
        }
    }

    fn tell_steps(&self, page: &mut Page) {
        if self.steps.is_empty() {
            return;
        }
        page.section("What was done");
        for step in &self.steps {
            let took = step.took.map_or_else(String::new, |took| format!(" ({})", short(took)));
            let error =
                step.error.as_ref().map_or_else(String::new, |error| format!(" FAILED: {error}"));
            page.row(&clock(step.at), &format!("{}{took}{error}", step.message));
        }
    }

    fn tell_hooks(&self, page: &mut Page) {
        if self.hooks.is_empty() {
            return;
        }
        page.section("Hooks");
        for hook in &self.hooks {
            let head = format!("{}  {}", clock(hook.at), hook.list);
            let words = format!("{}, {}: {}", hook.ended, short(hook.took), hook.command);
            page.entry(&head, &words);
            for line in hook.output.lines() {
                page.text(16, &format!("| {line}"));
            }
        }
    }

    fn advice(&self, aftermath: &Aftermath) -> Vec<String> {
        let subject = &self.subject;
        let mut advice = Vec::new();
        match (&self.outcome, &self.refusal) {
            (Some(Outcome::Recovered { successor, lost, errors }), _) => {
                advice.extend(errors.iter().map(|error| format!("Look into this: {error}.")));
                if !lost.is_empty() {
                    advice.push(format!(
                        "Lost replicas, which follow nobody now: {}. Build them anew from {successor}, or, when they lack \
                         nothing and have nothing of their own, point them at it by hand.",
                        keys(lost)
                    ));
                }
                advice.push(self.return_of(successor, aftermath.fence.as_ref()));
            }
            (Some(Outcome::Failed { reason }), _) => {
                advice.push(format!("The recovery failed: {reason}."));
                advice.push(format!(
                    "Decide who takes over and say so: `ham4db recover -i {subject} -d CANDIDATE`; \
                     `ham4db plan -i {subject} -d CANDIDATE` shows what that would do."
                ));
            }
            (Some(Outcome::Aborted { reason }), _) => {
                advice.push(format!("It was given up because: {reason}."));
                advice.push(
                    "When the failure is still there, the next try begins by itself in a few seconds."
                        .to_owned(),
                );
            }
            (None, Some(_)) => advice.push(format!(
                "`ham4db plan -i {subject}` shows what a recovery would do, `ham4db recover -i {subject}` begins one now."
            )),
            (None, None) => {
                advice.push(format!("`ham4db plan -i {subject}` shows what a recovery would do."));
            }
        }
        advice.extend(self.block(aftermath));
        advice
    }

    /// How the old primary comes back.
    fn return_of(&self, successor: &InstanceKey, fence: Option<&Fence>) -> String {
        let subject = &self.subject;
        if self.problem.as_ref().is_some_and(|problem| !problem.facts.is_source) {
            return format!(
                "When {subject} is back it follows its own source again and takes no part; \
                 replicas that are to follow it again are pointed at it by hand."
            );
        }
        let state = match fence {
            Some(Fence { confirmed: Some(at), .. }) => {
                format!("It was found again and made read-only at {} {}.", date(*at), clock(*at))
            }
            Some(Fence { last_error: Some(error), .. }) => {
                format!(
                    "IT COULD NOT BE MADE READ-ONLY YET ({error}); this is tried again and again."
                )
            }
            Some(_) => {
                "As soon as it answers it is made read-only and its clients are disconnected."
                    .to_owned()
            }
            None => "No fence is recorded for it: make sure that it takes no writes.".to_owned(),
        };
        format!(
            "The old primary {subject} is not put back by itself. {state} When it has no transactions that {successor} \
             lacks, point it at {successor} by hand to make it a replica; otherwise build it anew from \
             {successor}."
        )
    }

    fn block(&self, aftermath: &Aftermath) -> Option<String> {
        if let Some(note) = &aftermath.acknowledged {
            return Some(format!(
                "Acknowledged by {} at {} {}: {}",
                note.by,
                date(note.at),
                clock(note.at),
                note.comment
            ));
        }
        let until = aftermath.blocks_until?;
        Some(format!(
            "Until {} {} no automatic recovery begins in this cluster. When you have looked at it, allow the next one: \
             `ham4db ack-instance-recoveries -i {} --reason \"…\"`.",
            date(until),
            clock(until),
            self.subject
        ))
    }
}

impl Plan {
    /// The plan on a page of plain text.
    pub fn page(&self) -> String {
        let failed = &self.problem.key;
        let headline = match (self.presumed_dead, &self.outcome) {
            (true, Outcome::Recovered { successor, .. }) => {
                format!("If {failed} died now, {successor} would take over")
            }
            (true, _) => format!("If {failed} died now, nobody could take over"),
            (false, Outcome::Recovered { successor, .. }) => {
                format!("{failed} has failed; {successor} would take over")
            }
            (false, _) => format!("{failed} has failed; nobody can take over"),
        };
        let mut page = Page::titled(&headline);
        let code = self.problem.code;
        page.text(0, &format!("Cluster {}. Nothing was touched.", self.problem.cluster));
        page.section("Would it begin by itself?");
        match &self.refusal {
            None => page.text(2, &format!("Yes, as {}: {}.", code.name(), code.description())),
            Some(refusal) => page.text(2, &format!("No: {refusal}.")),
        }
        if let Some(choice) = &self.choice {
            tell_choice(&mut page, choice);
        } else {
            page.section("Why nobody");
            page.text(2, &self.outcome.to_string());
        }
        if !self.groups.is_empty() {
            page.section("Steps, those of one number at the same time");
        }
        for (number, group) in self.groups.iter().enumerate() {
            for step in group {
                page.row(&format!("{:>4}", number + 1), &step.to_string());
            }
        }
        self.tell_fence(&mut page);
        page.text
    }

    fn tell_fence(&self, page: &mut Page) {
        let taken_over = matches!(self.outcome, Outcome::Recovered { .. });
        if self.intent.kind == Kind::Primary && taken_over {
            let failed = &self.intent.failed;
            let fence = [
                Step::MakeReadOnly { server: failed.clone() },
                Step::EndClients { server: failed.clone() },
            ];
            page.section(&format!("As soon as {failed} answers again"));
            for step in fence {
                page.item(&step.to_string());
            }
        }
    }
}

fn tell_choice(page: &mut Page, choice: &Choice) {
    page.section("Who takes over");
    page.text(2, &format!("{}: {}.", choice.promoted, choice.reason));
    if !choice.followers.is_empty() {
        page.text(2, &format!("These follow it: {}.", keys(&choice.followers)));
    }
    reasons(page, "Why not the others", &choice.rejected);
    reasons(page, "Who is lost", &choice.lost);
    if !choice.loss.words.is_empty() {
        page.section("What is lost");
        page.text(2, &format!("{}.", capital(&choice.loss.words)));
    }
}

fn reasons(page: &mut Page, title: &str, rejected: &[Rejected]) {
    if rejected.is_empty() {
        return;
    }
    page.section(title);
    for one in rejected {
        page.entry(&one.key.to_string(), &one.reason);
    }
}

/// Text that grows downwards and never wider than [`WIDTH`].
struct Page {
    text: String,
}

impl Page {
    fn titled(headline: &str) -> Self {
        let mut page = Self { text: String::new() };
        page.text(0, headline);
        let width = page.text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        page.text(0, &"=".repeat(width));
        page
    }

    fn section(&mut self, title: &str) {
        self.text.push('\n');
        self.text(0, title);
    }

    /// A time or number, and what belongs to it.
    fn row(&mut self, head: &str, words: &str) {
        self.hanging(&format!("  {head}  "), words, 4 + head.chars().count());
    }

    /// A name, and words about it that may be long.
    fn entry(&mut self, head: &str, words: &str) {
        self.hanging(&format!("  {head}  "), words, 16);
    }

    fn item(&mut self, words: &str) {
        self.hanging("  - ", words, 4);
    }

    fn list(&mut self, title: &str, items: Vec<String>) {
        if !items.is_empty() {
            self.section(title);
        }
        for item in items {
            self.item(&item);
        }
    }

    fn text(&mut self, indent: usize, words: &str) {
        self.hanging(&" ".repeat(indent), words, indent);
    }

    /// Words behind a head; further lines are indented. A word longer than a line is broken.
    fn hanging(&mut self, head: &str, words: &str, indent: usize) {
        let mut line = head.to_owned();
        let mut is_empty = true;
        for word in words.split_whitespace() {
            let mut word = word;
            loop {
                let used = line.chars().count();
                let space = usize::from(!is_empty);
                let length = word.chars().count();
                if used + space + length <= WIDTH {
                    line.extend(std::iter::repeat_n(' ', space));
                    line.push_str(word);
                    is_empty = false;
                    break;
                }
                if is_empty && used <= indent {
                    let cut =
                        word.char_indices().nth(WIDTH - used).map_or(word.len(), |(at, _)| at);
                    line.push_str(&word[..cut]);
                    word = &word[cut..];
                }
                self.line(&line);
                line = " ".repeat(indent);
                is_empty = true;
            }
        }
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}

fn seconds(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

fn short(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        format!("{} ms", took.as_millis())
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    let mut text = String::new();
    if let Some(first) = chars.next() {
        let _ = write!(text, "{}{}", first.to_uppercase(), chars.as_str()); // a String takes everything
    }
    text
}
