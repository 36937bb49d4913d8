//! Parse, run, exit code: nothing else.

use std::process::ExitCode;

use clap::Parser as _;
use silo::cli::Cli;
use silo::core::environment::Environment;

fn main() -> ExitCode {
    let environment: Environment = std::env::vars_os().collect();
    let program = std::env::args_os().next();
    ExitCode::from(match Cli::try_parse() {
        Ok(cli) => silo::commands::run(cli, &environment, program),
        Err(error) => silo::commands::usage(&error),
    })
}
