//! `--help`, as it is printed.

use expect_test::expect;

use crate::sandbox::Sandbox;

/// Every command, as the overview lists them.
fn commands(overview: &str) -> Vec<String> {
    let (_, list) = overview.split_once("COMMAND)\n\n").expect("it lists its commands below its options");
    let (list, _) = list.split_once("\n\n").expect("an example comes after it");
    let lines = list.lines().filter_map(|line| line.strip_prefix("  "));
    let first = lines.filter_map(|line| Some(line.split([' ', ',']).next()?.to_owned()));
    let more = list.lines().filter_map(|line| line.strip_prefix("More: "));
    first.chain(more.flat_map(|names| names.split(", ").map(str::to_owned))).collect()
}

#[test]
fn the_overview_fits_one_screen_and_ends_with_an_example() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run("", ["--help"]).success().stderr("");
    expect![[r#"
        Give each checkout of a project its own ports, containers and data
        Usage: silo [-hVv] [-c <FILE>] [-C <DIR>] <COMMAND>   (more: silo help COMMAND)

        Begin with:
          init          Write a silo.toml for this project, and trust it
          allow, trust  Trust this silo.toml to act on `cd`
          status        Show this project's instance
        This project's instance:
          env           Lease ports and write the env file, without starting anything
          adopt         Fill a worktree made by another tool, as its silo.toml says
          profiles      List the profiles of silo.toml
          get           Print the value of one variable of the instance
          open          Open a URL of the instance in the browser
          exec          Run a command inside the instance, without a shell hook
          shell         Open $SHELL inside the instance; no start file is changed
        Run:
          up            Start the instance: services, cluster, then Tilt
          wait          Wait until the services and every resource of Tilt are ready
          logs          Show the logs of Tilt and the services
          ci            Run `tilt ci` or a command once, and pass its exit code on
          down          Stop the instance: Tilt, what it started, and the services
          compose       Print the override: the compose file that isolates the services
          seed          Fill a service's volume from another volume
          dns           Give services names, such as `db.feature-x.test`
        Workspaces and agents:
          new           Make a workspace: a git worktree with an instance of its own
          run           Run a command in a workspace, made and started if needed
          cd            Go to a workspace; needs the shell hook
          rm            Remove workspaces, with their services, volumes and leases
          templates     List the templates from which workspaces and agents are made
          agent         Run coding agents and the like in containers, behind a wall
        All instances:
          list, ls      List every instance: state, ports, root and branch
          heal          Bring back what should be up and is down, as after a reboot
          who           Say who holds a port: lease, process, container
          routes        List the routes of all instances, or write them for a web server
          proxy         Serve the routes of all instances on one port of this machine
          gateway       Keep keys for language models, and hand out keys with a budget
          doctor        Find what is wrong, and say how to fix it
          prune         Free the leases of instances whose folder is gone
        Shell, and silo itself:
          hook          Print the shell hook, or add it to the shell's start file
          deactivate    Switch the instance off in this shell until you leave its folder
          doc           Read about silo: config, commands, ports, gates and more
        More: completions, diff, deny, require, export, key, memory, version

        Examples:
          eval "$(silo hook zsh)"    # In ~/.zshrc; other shells: silo hook --help
    "#]]
    .assert_eq(&ran.stdout);
    assert!(ran.stdout.lines().count() <= 49, "{} lines", ran.stdout.lines().count());
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    sandbox.run("", ["-h"]).success().stdout(&ran.stdout);
    sandbox.run("", ["help"]).success().stdout(&ran.stdout);
    sandbox.run("", [""; 0]).exit(2).stdout("").stderr(&ran.stdout);
}

#[test]
fn every_command_stands_in_one_group_and_every_group_holds_commands() {
    let command = silo::cli::overview::command();
    let visible = command.get_subcommands().filter(|command| !command.is_hide_set());
    let mut visible: Vec<&str> = visible.map(clap::Command::get_name).collect();
    let mut grouped: Vec<&str> =
        silo::cli::overview::GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    visible.sort_unstable();
    grouped.sort_unstable();
    assert_eq!(grouped, visible);
    assert_eq!(silo::cli::overview::GROUPS[0].1.len(), 3, "the three to begin with");
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
        assert!(examples.lines().all(|line| line.chars().count() <= 80), "{examples}");
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

#[test]
fn mistakes_of_usage_are_said_like_every_other() {
    let sandbox = Sandbox::new();
    let told = |args: &[&str], error: &str, hints: &[&str]| {
        let lines: Vec<String> = hints.iter().map(|hint| format!("Hint: {hint}\n")).collect();
        sandbox.run("", args).exit(2).stdout("").stderr(&format!("Error: {error}\n{}", lines.concat()));
    };
    let env = "Usage: `silo env [OPTIONS] [NAME]`; more: `silo help env`";
    told(&["env", "--frob"], "`silo env` has no option `--frob`", &[env]);
    told(&["env", "a", "b"], "`silo env` takes no further argument: `b`", &[env]);
    told(
        &["env", "--profil", "x"],
        "`silo env` has no option `--profil`",
        &["The nearest option is `--profile`", "Usage: `silo env --profile <NAME> [NAME]`; more: `silo help env`"],
    );
    told(&["env", "--profile"], "`--profile <NAME>` needs a value", &["How it is called: `silo --help`"]);
    told(&["exec"], "`silo exec` needs `<CMD>...`", &["Usage: `silo exec <CMD>...`; more: `silo help exec`"]);
    told(
        &["hook", "csh"],
        "`[SHELL]` cannot be `csh`",
        &["Possible are `bash`, `zsh`, `fish`, `nu`, `elvish`, `tcsh`", "How it is called: `silo --help`"],
    );
    told(
        &["wait", "--timeout", "x"],
        "`--timeout <TIME>` cannot be `x`: a time is seconds, or as in 20s, 5m, 1h30m",
        &["How it is called: `silo --help`"],
    );
}

#[test]
fn a_word_of_other_tools_and_a_pages_name_lead_to_what_is_meant() {
    let sandbox = Sandbox::new();
    let led = |args: &[&str], hint: &str| {
        let ran = sandbox.run("", args).exit(2).stdout("");
        let word = args.iter().find(|word| **word != "help").expect("there is one");
        assert_eq!(ran.stderr, format!("Error: silo has no command `{word}`\nHint: {hint}\n"));
    };
    led(&["start", "npm"], "What does that here: `silo up`");
    led(&["help", "stop"], "What does that here: `silo down`");
    led(&["help", "worktrees"], "There is a page about it: `silo doc worktrees`");
    led(&["ports"], "What does that here: `silo who`");
    led(&["restart"], "What does that here: `silo down`, then `silo up`");
    led(&["edit"], "What does that here: `$EDITOR silo.toml`, then `silo allow`");
    led(&["clean"], "What does that here: `silo down --clean`");
    led(&["reload"], "What does that here: `silo env`");
    led(&["doctro"], "The nearest command is `silo doctor`");
    led(&["stauts"], "The nearest command is `silo status`");
    // Only what would be meant: `upgrade` is not `prune`.
    led(&["upgrade"], "What does that here: `silo doc install`");
    led(&["frobnicate"], "All commands: `silo --help`");
}
