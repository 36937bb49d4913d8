//! `--help`, as it is printed.

use expect_test::expect;

use crate::sandbox::Sandbox;

/// Every command, as the overview lists them.
fn commands(overview: &str) -> Vec<String> {
    let (_, list) = overview.split_once("\nCommands:\n").expect("it lists its commands");
    let (list, _) = list.split_once("\n\n").expect("options come after it");
    let lines = list.lines().filter(|line| !line.starts_with("    "));
    lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

#[test]
fn the_overview_is_short_and_ends_with_examples() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run("", ["--help"]).success().stderr("");
    expect![[r#"
        Isolated local development environments: `cd` in and the ports, hosts and URLs are there

        Usage: silo [OPTIONS] <COMMAND>

        Commands:
          init        Make a silo.toml here and trust it
          env         Allocate ports and write the env file, without starting anything
          profiles    List the profiles of silo.toml
          status      Show this project's instance
          list        List every instance of yours: state, ports, root and branch [alias: ls]
          who         Say who holds a port: which instance's lease, which process, which container
          get         Print the value of one variable of the instance
          open        Open a URL of the instance in the browser
          prune       Free the leases of projects whose folder is gone
          diff        Show what activation changes in this shell, before or after it is allowed
          allow       Trust this silo.toml to act on `cd`, and show what changed since the last time [alias: trust]
          deactivate  Switch the instance off in this shell until its folder is left
          deny        Take the trust in this silo.toml back [alias: revoke]
          hook        Print the shell hook, for the shell's start file
          export      Print what activation changes in this environment (the shell hook runs this)
          up          Start the environment: lifecycle hooks, then Tilt in the foreground
          ci          Run the environment once with `tilt ci`, and pass on how it ended
          logs        Show what Tilt logs
          wait        Wait until every resource of Tilt is ready; exit code 1 with the names of those that are not
          down        Stop the environment: Tilt and what it started
          exec        Run a command inside the instance, without a shell hook
          shell       Open $SHELL inside the instance, with the shell hook and no change to any start file
          require     Succeed only inside an active instance of this project (exit code 4 otherwise)
          doc         Read about silo: config, commands, ports, gates and more
          version     Print the version
          help        Print this message or the help of the given subcommand(s)

        Options:
          -c, --config <FILE>    Use this config file instead of the nearest silo.toml
          -C, --directory <DIR>  Run as if started in this folder
          -v, --verbose          Say more: which config is used, and what was kept
          -h, --help             Print help
          -V, --version          Print version

        Examples:
          eval "$(silo hook zsh)"    # In ~/.zshrc: activate on `cd` (bash and fish: silo hook --help)
          silo init                  # Make a silo.toml here
          silo env                   # Show this instance's ports and URLs
    "#]]
    .assert_eq(&ran.stdout);
    sandbox.run("", ["-h"]).success().stdout(&ran.stdout);
    sandbox.run("", ["help"]).success().stdout(&ran.stdout);
    sandbox.run("", [""; 0]).exit(2).stdout("").stderr(&ran.stdout);
}

#[test]
fn every_command_has_help_with_an_example_of_its_own() {
    let sandbox = Sandbox::new();
    let overview = sandbox.run("", ["--help"]).success().stdout;
    let commands = commands(&overview);
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands.iter().filter(|command| *command != "help") {
        let ran = sandbox.run("", [command, "--help"]).success().stderr("");
        let (_, examples) = ran.stdout.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{command}: no example"));
        assert!(examples.contains(&format!("silo {command}")), "{examples}");
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
        sandbox.run("", ["help", command]).success().stdout(&ran.stdout);
    }
}

#[test]
fn help_needs_no_project_and_no_home() {
    let sandbox = Sandbox::new();
    for args in [&["--help"][..], &["env", "--help"], &["--version"], &["version"]] {
        let mut silo = sandbox.command(crate::sandbox::SILO, "");
        silo.env_clear().args(args);
        sandbox.finish(silo).success().stderr("");
    }
}
