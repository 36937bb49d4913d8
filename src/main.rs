//! Parse, run, exit code: nothing else.

use std::process::ExitCode;

use silo::core::shell::environment::Environment;

fn main() -> ExitCode {
    let environment: Environment = std::env::vars_os().collect();
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let arguments: Vec<_> = arguments.collect();
    let special = silo::commands::gate(&environment, program.as_ref(), &arguments)
        .or_else(|| silo::commands::hook_call(&environment, program.as_ref(), &arguments))
        .or_else(|| silo::commands::completion_call(&environment, &arguments));
    if let Some(code) = special {
        return ExitCode::from(code);
    }
    let words = program.iter().cloned().chain(arguments);
    ExitCode::from(match silo::cli::overview::parse(words) {
        Ok(cli) => silo::commands::run(cli, &environment, program),
        Err(error) => silo::commands::usage(&error),
    })
}
