//! Parse, run, exit code: nothing else.
//!
//! With glibc this is C's `main`. Rust's runtime before its own reads `/proc/self/maps` and makes a stack for the message
//! about a stack that overflows: twenty system calls and a seventh of the smallest program's time, at each `cd`.

#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

use silo::core::shell::environment::Environment;
use silo::ui::Ui;

/// The exit code of this call.
fn run() -> u8 {
    let environment: Environment = std::env::vars_os().collect();
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let arguments: Vec<_> = arguments.collect();
    let special = silo::commands::gate(&environment, program.as_ref(), &arguments)
        .or_else(|| silo::commands::hook_call(&environment, program.as_ref(), &arguments))
        .or_else(|| silo::commands::completion_call(&environment, &arguments));
    if let Some(code) = special {
        return code;
    }
    let words = program.iter().cloned().chain(arguments);
    match silo::cli::overview::parse(words, || Ui::default().width(&environment)) {
        Ok(cli) => silo::commands::run(cli, &environment, program),
        Err(error) => silo::commands::usage(&error),
    }
}

// SAFETY: no other symbol is named so, and the C library calls it as it is declared. The arguments are Rust's already:
// glibc hands them to what its standard library has run before.
#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn main(_: std::ffi::c_int, _: *const *const std::ffi::c_char) -> std::ffi::c_int {
    silo::sys::start::prepare();
    std::ffi::c_int::from(run())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
fn main() -> std::process::ExitCode {
    run().into()
}
