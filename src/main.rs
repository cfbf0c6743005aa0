//! The `ham4db` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ham4db::cli::run(std::env::args_os())
}
