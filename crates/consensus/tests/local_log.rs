//! The log of one node: order, restarts, and backends that fail it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this file holds nothing but tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use ham4db_consensus::{Leadership, LocalLog, MOST_WAITING, ProposeError};
use ham4db_domain::analysis::AnalysisCode;
use ham4db_domain::command::{Command, Order, Reply, apply};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::registry::{Detection, Registry};
use ham4db_store::{MySqlSettings, Store, StoreError, StoreSettings};
use ham4db_testkit::{Flavour, Gtid, Shape, Topology, poll_until};

const SOON: Duration = Duration::from_secs(20);
/// Says to [`child`] where to write.
const FILE: &str = "HAM4DB_LOG_TEST_FILE";

fn open(file: &Path) -> LocalLog {
    let settings = StoreSettings::Sqlite { file: file.to_owned() };
    LocalLog::open(Store::open(&settings).unwrap()).unwrap()
}

fn command(order: Order) -> Command {
    Command { at: "2026-03-01T03:00:00Z".parse().unwrap(), by: "ann".to_owned(), order }
}

fn alias(number: usize) -> Command {
    command(Order::SetClusterAlias { cluster: number.to_string(), alias: "shop".to_owned() })
}

/// A failure of a server; each is given the next number.
fn detection(host: &str) -> Command {
    let failed = InstanceKey::new(host, 3306);
    let detection = Detection {
        id: 0,
        cluster: failed.to_string(),
        failed,
        code: AnalysisCode::DeadMaster,
        actionable: true,
        at: "2026-03-01T03:00:00Z".parse().unwrap(),
    };
    command(Order::RegisterDetection { detection, period_s: 60 })
}

/// A file in a folder that is removed with the value.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("ham4db.sqlite3")
    }

    /// Runs statements past the log.
    fn run(&self, sql: &str) {
        rusqlite::Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
    }
}

#[test]
fn commands_are_applied_one_after_the_other_in_the_order_of_their_replies() {
    let place = Place::new();
    let log = open(&place.file());
    let replies = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for host in 0..40 {
            let (log, replies) = (&log, &replies);
            scope.spawn(move || {
                let host = format!("db-{host}");
                let Reply::Numbered { id } = log.propose(&detection(&host)).unwrap() else {
                    panic!("{host} was given no number");
                };
                replies.lock().unwrap().push((id, host));
            });
        }
    });
    let mut replies = replies.into_inner().unwrap();
    replies.sort_unstable();
    let expected: Vec<_> = (1..).zip(replies.iter().map(|(_, host)| host.clone())).collect();
    assert_eq!(replies, expected, "numbers are given once, without a gap");
    let written = |registry: &Registry| {
        let detections = registry.detections.iter();
        detections.map(|noted| (noted.id, noted.failed.host.clone())).collect::<Vec<_>>()
    };
    assert_eq!(written(&log.registry().borrow()), expected);
    drop(log);
    assert_eq!(written(&open(&place.file()).registry().borrow()), expected, "after a restart");
}

#[test]
fn a_reader_sees_a_command_as_soon_as_it_is_answered() {
    let place = Place::new();
    let log = open(&place.file());
    let mut reader = log.registry();
    let mut expected = Registry::default();
    for number in 0..10 {
        assert_eq!(log.propose(&alias(number)).unwrap(), Reply::Done);
        apply(&mut expected, &alias(number));
        assert!(reader.has_changed().unwrap());
        assert_eq!(**reader.borrow_and_update(), expected);
    }
}

#[test]
fn a_refusal_is_an_answer_and_changes_nothing() {
    let place = Place::new();
    let log = open(&place.file());
    log.propose(&detection("p")).unwrap();
    let mut reader = log.registry();
    reader.mark_unchanged();
    let reply = log.propose(&detection("p")).unwrap();
    assert!(matches!(reply, Reply::Refused { .. }), "{reply:?}");
    assert!(!reader.has_changed().unwrap());
    // What changes nothing needs no backend.
    place.run("DROP TABLE replicated");
    assert!(matches!(log.propose(&detection("p")).unwrap(), Reply::Refused { .. }));
}

#[test]
fn a_restart_knows_all_that_was_answered_and_leads_in_a_new_term() {
    let place = Place::new();
    let mut expected = Registry::default();
    let mut terms = Vec::new();
    for run in 0..4 {
        let log = open(&place.file());
        assert_eq!(**log.registry().borrow(), expected, "start {run}");
        let Leadership { leads, term } = *log.leadership().borrow();
        assert!(leads);
        terms.push(term);
        for command in [alias(run), detection(&format!("db-{run}"))] {
            log.propose(&command).unwrap();
            apply(&mut expected, &command);
        }
    }
    assert_eq!(terms, [1, 2, 3, 4]);
}

#[test]
fn a_killed_process_loses_no_answered_command() {
    let place = Place::new();
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(FILE, place.file())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answered = |line: &str| line.strip_prefix("answered ")?.parse::<usize>().ok();
    let mut last = 0;
    while last < 30 {
        let line = lines.next().expect("the child ended by itself").unwrap();
        last = answered(&line).unwrap_or(last);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        last = answered(&line.unwrap()).unwrap_or(last);
    }
    let log = open(&place.file());
    let applied = log.registry().borrow().aliases.len();
    assert!(applied == last || applied == last + 1, "{applied} applied, {last} answered");
    let mut expected = Registry::default();
    for number in 1..=applied {
        apply(&mut expected, &alias(number));
    }
    assert_eq!(**log.registry().borrow(), expected);
}

/// Proposes until it is killed, and says what was answered.
#[test]
fn child() {
    let Some(file) = std::env::var_os(FILE) else { return }; // it is only for a process of its own
    let log = open(Path::new(&file));
    let mut stdout = std::io::stdout();
    for number in 1.. {
        log.propose(&alias(number)).unwrap();
        writeln!(stdout, "\nanswered {number}").unwrap();
        stdout.flush().unwrap();
    }
}

#[test]
fn a_backend_that_fails_refuses_the_command_and_nothing_changes_here_or_there() {
    let place = Place::new();
    let log = open(&place.file());
    log.propose(&alias(1)).unwrap();
    let before = log.registry().borrow().clone();
    place.run("ALTER TABLE replicated RENAME TO elsewhere");
    let refused = log.propose(&alias(2)).unwrap_err();
    assert!(matches!(refused, ProposeError::Backend(_)), "{refused:?}");
    assert!(refused.to_string().contains(&place.file().display().to_string()), "{refused}");
    assert_eq!(**log.registry().borrow(), *before);
    place.run("ALTER TABLE elsewhere RENAME TO replicated");
    log.propose(&alias(3)).unwrap();
    let after = log.registry().borrow().clone();
    assert_eq!(after.aliases.keys().collect::<Vec<_>>(), ["1", "3"]);
    drop(log);
    assert_eq!(**open(&place.file()).registry().borrow(), *after);
}

#[test]
fn a_backend_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let place = Place::new();
    open(&place.file()).propose(&alias(1)).unwrap();
    place.run("UPDATE replicated SET body = '{'");
    let settings = StoreSettings::Sqlite { file: place.file() };
    let refused = LocalLog::open(Store::open(&settings).unwrap()).err().expect("it was opened");
    assert!(matches!(refused, StoreError::Row { .. }), "{refused:?}");
}

#[test]
fn proposals_that_wait_are_bounded_and_the_others_are_refused_at_once() {
    const SURPLUS: usize = 20;
    let place = Place::new();
    let log = open(&place.file());
    let mut elsewhere = rusqlite::Connection::open(place.file()).unwrap();
    let immediate = rusqlite::TransactionBehavior::Immediate;
    let held = rusqlite::Transaction::new(&mut elsewhere, immediate).unwrap();
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..MOST_WAITING + SURPLUS {
            let (log, outcomes) = (&log, &outcomes);
            scope.spawn(move || {
                let outcome = log.propose(&alias(number));
                outcomes.lock().unwrap().push((number, outcome));
            });
        }
        poll_until("the refusals", SOON, || {
            (outcomes.lock().unwrap().len() == SURPLUS).then_some(())
        });
        let refused = |(_, outcome): &(_, _)| matches!(outcome, Err(ProposeError::Busy));
        assert!(outcomes.lock().unwrap().iter().all(refused), "{outcomes:?}");
        held.rollback().unwrap();
    });
    let outcomes = outcomes.into_inner().unwrap();
    let done = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Ok(Reply::Done)));
    let mut done: Vec<String> = done.map(|(number, _)| number.to_string()).collect();
    done.sort_unstable();
    assert_eq!(done.len(), MOST_WAITING, "{outcomes:?}");
    let registry = log.registry().borrow().clone();
    assert_eq!(registry.aliases.keys().cloned().collect::<Vec<_>>(), done);
}

/// Nobody is told "not applied" of a command that is applied later.
#[test]
fn a_proposal_that_waited_too_long_is_refused_and_not_applied() {
    let place = Place::new();
    let log = open(&place.file());
    let mut elsewhere = rusqlite::Connection::open(place.file()).unwrap();
    let immediate = rusqlite::TransactionBehavior::Immediate;
    let held = rusqlite::Transaction::new(&mut elsewhere, immediate).unwrap();
    let began = Instant::now();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let callers: Vec<_> = (0..10)
            .map(|number| {
                scope.spawn({
                    let log = &log;
                    move || log.propose(&alias(number))
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let took = began.elapsed();
    held.rollback().unwrap();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(ProposeError::Backend(_)))));
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(ProposeError::Busy))));
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(**log.registry().borrow(), Registry::default());
    log.propose(&alias(11)).unwrap();
    assert_eq!(log.registry().borrow().aliases.len(), 1);
}

fn on_server(server: &Topology) -> StoreSettings {
    StoreSettings::MySql(MySqlSettings {
        host: "127.0.0.1".to_owned(),
        port: server.port(0),
        user: "root".to_owned(),
        password: String::new(),
        database: "backend".to_owned(),
        connections: 4,
        connect_limit: Duration::from_secs(1),
        read_limit: Duration::from_secs(1),
        tls: None,
    })
}

#[test]
fn who_lost_the_backend_to_another_process_stops_and_leads_no_longer() {
    let server = Topology::start(Flavour::Mariadb1011, 0, Shape::Star, Gtid::On).unwrap();
    let open = || LocalLog::open(Store::open(&on_server(&server)).unwrap()).unwrap();
    let first = open();
    first.propose(&alias(1)).unwrap();
    let second = open();
    assert!(second.leadership().borrow().term > first.leadership().borrow().term);
    let refused = first.propose(&alias(2)).unwrap_err();
    assert!(matches!(refused, ProposeError::Stopped(_)), "{refused:?}");
    assert!(!first.leadership().borrow().leads);
    second.propose(&alias(3)).unwrap();
    assert!(second.leadership().borrow().leads);
    let registry = second.registry().borrow().clone();
    assert_eq!(registry.aliases.keys().collect::<Vec<_>>(), ["1", "3"]);
}

/// A source that waits for the acknowledgement of a replica it does not have holds back every commit.
#[test]
fn an_unanswered_commit_is_unknown_and_the_next_proposal_builds_on_what_came_of_it() {
    let server = Topology::start(Flavour::Mysql97, 0, Shape::Star, Gtid::On).unwrap();
    let log = LocalLog::open(Store::open(&on_server(&server)).unwrap()).unwrap();
    for sql in [
        "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
        "SET GLOBAL rpl_semi_sync_source_timeout = 600000",
        "SET GLOBAL rpl_semi_sync_source_wait_no_replica = ON",
        "SET GLOBAL rpl_semi_sync_source_enabled = ON",
    ] {
        server.sql(0, sql).unwrap();
    }
    let unknown = log.propose(&detection("p")).unwrap_err();
    assert!(matches!(unknown, ProposeError::Unknown(_)), "{unknown:?}");
    assert_eq!(**log.registry().borrow(), Registry::default(), "nothing is published yet");
    let waits = log.propose(&detection("q")).unwrap_err();
    assert!(matches!(waits, ProposeError::Backend(_)), "surely not applied: {waits:?}");
    server.sql(0, "SET GLOBAL rpl_semi_sync_source_enabled = OFF").unwrap();
    let reply = poll_until("an answer", SOON, || log.propose(&detection("r")).ok());
    assert_eq!(reply, Reply::Numbered { id: 2 }, "the first one was applied after all");
    let registry = log.registry().borrow().clone();
    let failed: Vec<_> = registry.detections.iter().map(|noted| &noted.failed.host).collect();
    assert_eq!(failed, ["p", "r"]);
    drop(log);
    let log = LocalLog::open(Store::open(&on_server(&server)).unwrap()).unwrap();
    assert_eq!(**log.registry().borrow(), *registry);
}
