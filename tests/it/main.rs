//! silo as its users meet it: the program itself, and the shell hooks in real shells.

mod commands_env;
mod commands_exec;
mod commands_init;
mod commands_names;
mod commands_older;
mod commands_profile;
mod commands_shell;
mod commands_status;
mod commands_trust;
mod config_errors;
mod crash;
mod example;
mod help;
mod hostile_disk;
mod hostile_files;
mod hostile_home;
mod hostile_lockfile;
mod lifecycle_down;
mod lifecycle_k3d;
mod lifecycle_script;
mod lifecycle_signals;
mod lifecycle_up;
mod lifecycle_wait;
mod machine;
mod pty;
mod registry;
mod sandbox;
#[cfg(target_os = "linux")]
mod shell_cost;
mod shell_hook;
mod shell_prompt;
mod shell_quoting;
mod shell_trust;
mod tidy;
mod tools;
mod worktrees;
