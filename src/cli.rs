//! The command line: declarations only. Arguments say what the shell can complete them with.

mod agent;
mod arguments;
mod completes;
mod gateway;
mod memory;
pub mod overview;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};

use crate::core::shell::Completions;

pub use agent::{AgentAction, AgentArgs};
pub use arguments::{
    CiArgs, ComposeArgs, DnsArgs, DnsWord, EnvArgs, EnvTold, HealArgs, HookArgs, NewArgs, ProxyAction, ProxyArgs,
    PruneArgs, RmArgs, RoutesArgs, RoutesFor, RunArgs, SeedArgs, TrustArgs, UpArgs,
};
pub use completes::Completes;
pub use gateway::{GatewayAction, GatewayArgs, KeyAction, KeyArgs};
pub use memory::{MemoryAction, MemoryArgs, MemoryFilter, MemoryFormat, MemoryRole};
pub use words::ExportFormat;

use crate::core::text::span;

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "silo",
    version = concat!("v", env!("CARGO_PKG_VERSION")),
    about = "Give each checkout of a project its own ports, containers and data",
    after_help = "Examples:\n  eval \"$(silo hook zsh)\"    # In ~/.zshrc; other shells: silo hook --help",
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Default, Args)]
pub struct Global {
    /// Use this config file instead of the nearest silo.toml
    #[arg(short, long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Run as if started in this folder
    #[arg(short = 'C', long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    /// Say more: which config is used, and what was kept
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a silo.toml for this project, and trust it
    #[command(
        after_help = "Examples:\n  silo init\n  silo init --tilt           # Also the Tilt extension, in tilt-extensions/silo\n  silo init -c other.toml"
    )]
    Init {
        /// Write the Tilt extension too; an existing silo.toml stays as it is
        #[arg(long = "tilt")]
        extension: bool,
    },
    /// Lease ports and write the env file, without starting anything
    #[command(
        after_help = "Examples:\n  silo env                       # This project's instance; named on first use\n  silo env feature-x             # Name it\n  silo env --profile testnet -f  # Switch profile and plan the ports again\n  silo env --move WEB_PORT       # Another port; --take: its default\n  silo env --json | jq .ports"
    )]
    Env(EnvArgs),
    /// Fill a worktree made by another tool, as its silo.toml says
    #[command(
        after_help = "Examples:\n  silo adopt                # This worktree\n  silo adopt ../feature-x   # Another one\n  silo adopt --json | jq -r '.leftOut[].path'"
    )]
    Adopt {
        /// The worktree; default: this folder
        #[arg(value_hint = ValueHint::DirPath)]
        folder: Option<PathBuf>,
        /// Copy folders of `clone` if the disk cannot share their blocks
        #[arg(long)]
        copy_slow: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the profiles of silo.toml
    #[command(after_help = "Examples:\n  silo profiles\n  silo profiles --json")]
    Profiles {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Bring back what should be up and is down, as after a reboot
    #[command(
        after_help = "Examples:\n  silo heal --dry-run         # What is down in this folder's instance\n  silo heal feature-x\n  silo heal --all"
    )]
    Heal(HealArgs),
    /// Show this project's instance
    #[command(
        after_help = "Examples:\n  silo status\n  silo status --json | jq -r .urls.WEB_URL\n  silo status --check >/dev/null && make   # Only if it exists and is trusted"
    )]
    Status {
        /// Exit with 3 if the silo.toml is not trusted, with 4 if there is no instance
        #[arg(long)]
        check: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List every instance: state, ports, root and branch
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  silo list\n  silo list --watch\n  silo list --workspaces\n  silo list --json | jq -r '.[] | select(.state == \"running\") | .root'"
    )]
    List {
        /// Print JSON; with --watch, one line for each change
        #[arg(long)]
        json: bool,
        /// Keep showing changes until Ctrl-C
        #[arg(short, long)]
        watch: bool,
        /// The workspaces that silo made: branch, age, changes, disk
        #[arg(long, conflicts_with = "watch")]
        workspaces: bool,
    },
    /// Say who holds a port: lease, process, container
    #[command(
        after_help = "Examples:\n  silo who 3000\n  silo who localhost:3000    # Or a URL, or a variable: silo who WEB_PORT\n  silo who                   # Every leased port, and who listens there\n  silo who 5432 --json | jq .process.pid"
    )]
    Who {
        /// A port, an address or URL with one, or a variable; without it, all leased ports
        #[arg(add = Completes::Port)]
        port: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the routes of all instances, or write them for a web server
    #[command(
        after_help = "Examples:\n  silo routes\n  silo routes --json | jq -r '.[] | select(.listening) | .host'\n  silo routes --nginx                 # For the http block of nginx\n  silo routes --caddy --out silo.caddy --reload 'caddy reload' --watch"
    )]
    Routes(RoutesArgs),
    /// Serve the routes of all instances on one port of this machine
    #[command(
        after_help = "Examples:\n  silo proxy up -d    # Then http://silo.localhost:7450 shows all instances\n  silo proxy status\n  silo proxy reload   # After a change of the settings\n  silo proxy down"
    )]
    Proxy(ProxyArgs),
    /// Keep keys for language models, and hand out keys with a budget
    #[command(
        after_help = "Examples:\n  silo gateway up -d    # With the keys of ~/.config/silo/gateway.toml\n  silo gateway spend\n  silo gateway settle 17 0.25\n  silo gateway down"
    )]
    Gateway(GatewayArgs),
    /// Run coding agents and the like in containers, behind a wall
    #[command(
        after_help = "Examples:\n  silo agent run scout 'List the endpoints that have no test'\n  silo agent list\n  silo agent logs -f scout-x7k2\n  silo agent exec scout-x7k2 -- sh\n  silo agent findings scout-x7k2\n  silo agent rm scout-x7k2"
    )]
    Agent(AgentArgs),
    /// Make, list and revoke the gateway's placeholder keys
    #[command(
        after_help = "Examples:\n  silo key new agent --budget 5 --out ~/.agent-key\n  silo key new ci --budget '2M tokens' --models claude-haiku-4-5 --requests 60\n  silo key list\n  silo key revoke k3"
    )]
    Key(KeyArgs),
    /// Read, search and save what agents found
    #[command(
        after_help = "Examples:\n  silo memory list --since 7d\n  silo memory search slow parser\n  silo memory show 12\n  silo memory export findings    # A folder with a file each\n  silo memory export - | jq -r .title"
    )]
    Memory(MemoryArgs),
    /// Print the value of one variable of the instance
    #[command(
        after_help = "Examples:\n  silo get WEB_PORT\n  curl -s \"$(silo get API_URL)/health\"\n  silo get WEB_URL -i feature-x"
    )]
    Get {
        /// The variable
        #[arg(add = Completes::Variable)]
        name: String,
        /// Another instance than this folder's
        #[arg(short, long, value_name = "NAME", add = Completes::Instance)]
        instance: Option<String>,
    },
    /// Open a URL of the instance in the browser
    #[command(after_help = "Examples:\n  silo open\n  silo open ADMIN_URL\n  silo open -i feature-x --print")]
    Open {
        /// The variable that holds the URL; default: the first web address
        #[arg(add = Completes::Url)]
        name: Option<String>,
        /// Another instance than this folder's
        #[arg(short, long, value_name = "NAME", add = Completes::Instance)]
        instance: Option<String>,
        /// Only print it
        #[arg(long)]
        print: bool,
    },
    /// Find what is wrong, and say how to fix it
    #[command(
        after_help = "Examples:\n  silo doctor         # Exit code 1 while a problem remains\n  silo doctor --fix   # Also fix what can be fixed without losing anything\n  silo doctor --json | jq -r '.[] | select(.severity == \"problem\") | .fix'"
    )]
    Doctor {
        /// Fix what can be fixed without losing anything, and say what was done
        #[arg(long)]
        fix: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Free the leases of instances whose folder is gone
    #[command(
        after_help = "Examples:\n  silo prune --dry-run\n  silo prune\n  silo prune --all --yes   # What they left in Docker too, data included"
    )]
    Prune(PruneArgs),
    /// Show what activation changes in this shell
    #[command(
        after_help = "Examples:\n  silo diff\n  silo diff -C ~/downloads/project   # Before `silo allow`\n  silo diff --json\n  silo diff --show                   # Passwords and tokens too"
    )]
    Diff {
        /// Show what looks like a secret, too: by its name, or a password in an address
        #[arg(long)]
        show: bool,
        /// Print JSON: an object of names, each with the value before and after
        #[arg(long)]
        json: bool,
    },
    /// Trust this silo.toml to act on `cd`
    #[command(
        visible_alias = "trust",
        after_help = "Examples:\n  silo allow                      # Shows what changed since the last time\n  silo allow ../other-worktree    # A folder, or a silo.toml"
    )]
    Allow(TrustArgs),
    /// Switch the instance off in this shell until you leave its folder
    #[command(after_help = "Examples:\n  silo deactivate")]
    Deactivate,
    /// Stop trusting this silo.toml
    #[command(
        visible_alias = "revoke",
        after_help = "Examples:\n  silo deny\n  silo deny ~/downloads/project    # A folder, or a silo.toml"
    )]
    Deny(TrustArgs),
    /// Print the shell hook, or add it to the shell's start file
    #[command(after_help = words::hook_examples())]
    Hook(HookArgs),
    /// Print the completions for a shell
    #[command(after_help = words::completions_examples())]
    Completions {
        /// The shell
        #[arg(value_parser = words::completed_shells())]
        shell: &'static Completions,
    },
    /// Print what activation changes in this environment
    #[command(
        after_help = "Examples:\n  eval \"$(silo export bash)\"   # What the shell hook runs\n  silo export json\n  silo export dotenv >instance.env   # Every var, even one that is set already\n  silo export gha >>\"$GITHUB_ENV\""
    )]
    Export {
        /// Who will read it
        #[arg(value_parser = words::export_formats())]
        format: ExportFormat,
        /// The generation the shell hook has seen
        #[arg(long, hide = true)]
        seen: Option<String>,
    },
    /// Start the instance: services, cluster, then Tilt
    #[command(
        after_help = "Examples:\n  silo up                        # This project's instance; Ctrl-C stops it\n  silo up feature-x              # Name it\n  silo up -d                     # In the background\n  silo up --profile testnet      # With a profile\n  silo up -- --stream web        # Arguments for Tilt\n  silo up -d -- db redis         # Without Tilt: only these services"
    )]
    Up(UpArgs),
    /// Run `tilt ci` or a command once, and pass its exit code on
    #[command(
        after_help = "Examples:\n  silo ci -- npm test   # Without Tilt: services for this alone, on free ports\n  silo ci --timeout 10m -- --output-snapshot-on-exit snapshot.json"
    )]
    Ci(CiArgs),
    /// Show the logs of Tilt and the services
    #[command(after_help = "Examples:\n  silo logs\n  silo logs -f web")]
    Logs {
        /// Go on until Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// Only this service, or this resource of Tilt
        resource: Option<String>,
    },
    /// Wait until the services and every resource of Tilt are ready
    #[command(
        after_help = "Examples:\n  silo up -d && silo wait && npm test\n  silo wait --timeout 5m   # Exit code 1 and names of those not ready"
    )]
    Wait {
        /// How long to wait, such as 20s or 5m; a plain number is seconds
        #[arg(long, default_value = "120s", value_name = "TIME", value_parser = span::parse)]
        timeout: Duration,
    },
    /// Stop the instance: Tilt, what it started, and the services
    #[command(
        after_help = "Examples:\n  silo down\n  silo down --volumes   # Services start with empty databases the next time\n  silo down --delete-cluster\n  silo down --clean     # Also remove env file and lockfile, and free the leases"
    )]
    Down {
        /// Delete the k3d cluster too (it is kept otherwise, for a faster next start)
        #[arg(long)]
        delete_cluster: bool,
        /// Remove the volumes of the services too, with their data
        #[arg(long)]
        volumes: bool,
        /// Remove env file and lockfile, and free the leases
        #[arg(long)]
        clean: bool,
    },
    /// Print the override: the compose file that isolates the services
    #[command(
        after_help = "Examples:\n  silo compose                                # For the project's compose files\n  silo compose compose.yaml deploy/dev.yaml   # For these files, in this order"
    )]
    Compose(ComposeArgs),
    /// Fill a service's volume from another volume
    #[command(
        after_help = "Examples:\n  silo seed data --from main               # From another instance's volume\n  silo seed data --from-volume shop_data   # From a volume from before silo\n  silo seed data --from main --force       # Even if it is not empty"
    )]
    Seed(SeedArgs),
    /// Give services names, such as `db.feature-x.test`
    #[command(
        after_help = "Examples:\n  silo dns up              # Your own name server, on 127.0.0.1:5354\n  silo dns                 # What it knows; exit code 1 if it is down\n  silo dns --install       # Shows what the system's resolver needs, and asks\n  silo dns --uninstall"
    )]
    Dns(DnsArgs),
    /// Make a workspace: a git worktree with an instance of its own
    #[command(
        after_help = "Examples:\n  silo new feature/login             # A worktree beside the repository\n  silo new review --from origin/fix  # On a new branch that starts there\n  silo new try -- npm test           # Run something in it"
    )]
    New(NewArgs),
    /// List the templates from which workspaces and agents are made
    #[command(after_help = "Examples:\n  silo templates\n  silo new shop --template web")]
    Templates {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a command in a workspace, made and started if needed
    #[command(
        after_help = "Examples:\n  silo run feature/login -- npm test\n  silo run agent-1 --rm -- sh -c 'npm ci && npm test'"
    )]
    Run(RunArgs),
    /// Remove workspaces, with their services, volumes and leases
    #[command(
        after_help = "Examples:\n  silo rm feature/login\n  silo rm agent-1 agent-2\n  silo rm --force feature/login   # Even if something would be lost"
    )]
    Rm(RmArgs),
    /// Go to a workspace; needs the shell hook
    #[command(after_help = "Examples:\n  silo cd feature/login\n  code \"$(silo cd feature/login --print)\"")]
    Cd {
        /// The workspace
        #[arg(add = Completes::Workspace)]
        name: String,
        /// Only print its folder
        #[arg(long)]
        print: bool,
    },
    /// Run a command inside the instance, without a shell hook
    #[command(after_help = "Examples:\n  silo exec -- npm run dev\n  silo exec -C ../feature-x make test")]
    Exec {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
        #[arg(value_hint = ValueHint::CommandWithArguments)]
        command: Vec<OsString>,
    },
    /// Open $SHELL inside the instance; no start file is changed
    #[command(after_help = "Examples:\n  silo shell example\n  echo 'curl -s $WEB_URL' | silo shell")]
    Shell {
        /// The project's folder
        #[arg(value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
    /// Succeed only inside an active instance of this project
    #[command(after_help = "Examples:\n  silo require && ./scripts/seed.sh   # Exit code 4 outside")]
    Require,
    /// Read about silo: config, commands, ports, gates and more
    #[command(
        after_help = "Examples:\n  silo doc                       # The topics\n  silo doc config                # The reference of silo.toml\n  silo doc --search port taken   # Where these words occur together"
    )]
    Doc {
        /// The topic; default: list the topics
        #[arg(add = Completes::Topic)]
        topic: Option<String>,
        /// List where these words occur together, in all pages or in the topic's
        #[arg(long, value_name = "WORD", num_args = 1.., conflicts_with = "list")]
        search: Vec<String>,
        /// Print only the topics, one on each line
        #[arg(long, conflicts_with = "topic")]
        list: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the version
    #[command(after_help = "Examples:\n  silo version")]
    Version,
}
