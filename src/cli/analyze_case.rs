//! `ham4db analyze-case FILE…`: answers the commands of recorded cases, without any server or database.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ham4db_domain::case::{Case, CaseError};
use jiff::Timestamp;

/// Why a case file has no answer.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    #[error("its answer cannot be printed: {0}")]
    Print(io::Error),
    #[error("is no case: {0}")]
    Read(#[from] serde_json::Error),
    #[error(transparent)]
    Answer(#[from] CaseError),
}

/// Answers each file in turn: lines to standard output, failures to standard error. Fails when any of them did.
pub fn run(files: &[PathBuf]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        if let Err(error) = answer(file).and_then(|lines| print(&lines)) {
            eprintln!("{}: {error}", file.display());
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn answer(file: &Path) -> Result<Vec<String>, FileError> {
    let text = fs::read_to_string(file).map_err(FileError::Open)?;
    let case: Case = serde_json::from_str(&text)?;
    Ok(case.run(Timestamp::now())?)
}

fn print(lines: &[String]) -> Result<(), FileError> {
    let mut out = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(out, "{line}")).map_err(FileError::Print)
}
