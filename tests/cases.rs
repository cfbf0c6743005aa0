//! Recorded states of fleets, a command to run against each, and the answer that users know.
//!
//! Every file in `tests/cases` is one case; its layout is described in the README beside it.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read fails the test")]

use std::fs;
use std::path::{Path, PathBuf};

use ham4db_domain::case::{Case, ExpectedEntry};
use jiff::Timestamp;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// Runs of blanks are one blank, blanks at the end do not count.
fn folded(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c != ' ' || !text.ends_with(' ') {
            text.push(c);
        }
    }
    text.trim_end().to_owned()
}

/// What is wrong with the answer to a case, if anything.
fn verdict(case: &Case, now: Timestamp) -> Result<(), String> {
    let answer = case.run(now);
    let expected = &case.expected;
    let lines = match (answer, expected.fails) {
        (Err(_), true) => return Ok(()),
        (Err(error), false) => return Err(format!("failed: {error}")),
        (Ok(lines), true) => return Err(format!("should fail, but said {lines:?}")),
        (Ok(lines), false) => lines,
    };
    let mut lines: Vec<String> = lines.iter().map(|line| folded(line)).collect();
    let mut wanted: Vec<String> = expected.stdout_lines.iter().map(|line| folded(line)).collect();
    if expected.sorted {
        lines.sort();
        wanted.sort();
    }
    if lines != wanted {
        return Err(format!("said {lines:#?}, not {wanted:#?}"));
    }
    entries_verdict(case, now)
}

fn entries_verdict(case: &Case, now: Timestamp) -> Result<(), String> {
    let Some(wanted) = &case.expected.entries else { return Ok(()) };
    let problems = case.analysis(now).map_err(|error| error.to_string())?;
    let entries: Vec<ExpectedEntry> = problems
        .iter()
        .map(|problem| ExpectedEntry {
            host: problem.key.host.clone(),
            port: problem.key.port,
            cluster: problem.cluster.clone(),
            codes: problem.codes().into_iter().map(str::to_owned).collect(),
        })
        .collect();
    if entries == *wanted { Ok(()) } else { Err(format!("found {entries:#?}, not {wanted:#?}")) }
}

#[test]
fn every_recorded_case_has_its_recorded_answer() {
    let now = Timestamp::now();
    let files = files();
    assert!(files.len() >= 110, "only {} cases found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let verdict = match serde_json::from_str::<Case>(&text) {
            Ok(case) => verdict(&case, now),
            Err(error) => Err(format!("cannot be read: {error}")),
        };
        wrong.extend(verdict.err().map(|reason| format!("{name}: {reason}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
