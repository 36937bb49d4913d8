//! How the containers of a run are made, as words for `docker`. Nothing of a key is among them, and a task only where the
//! `command` of the agent names it: those go in by file and by the environment of `docker`.

use std::path::Path;

use super::names;
use crate::core::config::agents::Limits;

/// What is mounted, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The path on this machine.
    pub from: String,
    /// The path in the container.
    pub to: String,
    /// Whether it may be written to.
    pub is_writable: bool,
}

impl Bind {
    /// Read-only.
    pub fn read(from: &Path, to: &str) -> Self {
        Self { from: from.to_string_lossy().into_owned(), to: to.to_owned(), is_writable: false }
    }

    /// For reading and writing.
    pub fn write(from: &Path, to: &str) -> Self {
        Self { is_writable: true, ..Self::read(from, to) }
    }

    /// As the value of `--mount`, in CSV: a comma or a quote in a path would else be read as more options.
    fn option(&self) -> String {
        let field = |key: &str, value: &str| match value.contains([',', '"']) {
            true => format!("\"{key}={}\"", value.replace('"', "\"\"")),
            false => format!("{key}={value}"),
        };
        let mode = if self.is_writable { "" } else { ",readonly" };
        format!("--mount=type=bind,{},{}{mode}", field("src", &self.from), field("dst", &self.to))
    }
}

/// An agent's container.
#[derive(Debug, Clone)]
pub struct Container<'a> {
    /// The run.
    pub id: &'a str,
    /// The agent's name.
    pub name: &'a str,
    /// The label of its instance, with the instance's id.
    pub instance: (&'a str, &'a str),
    /// The image, by its id.
    pub image: &'a str,
    /// The user and group.
    pub user: (u32, u32),
    /// The limits.
    pub limits: &'a Limits,
    /// The address of the agent and of its relay; none where it has no network.
    pub addresses: Option<(String, String)>,
    /// The names by which it reaches the relay.
    pub hosts: Vec<String>,
    /// A file with its variables.
    pub variables: &'a Path,
    /// What is mounted.
    pub binds: Vec<Bind>,
    /// The folder it begins in.
    pub folder: &'a str,
    /// Whether its input stays open as long as the `silo` that runs it.
    pub is_attached: bool,
    /// The engine's runtime, where the user wants another than its default.
    pub runtime: Option<&'a str>,
    /// Words of silo's init, then `--` and the command.
    pub init: Vec<String>,
}

/// What a container of a run is called, and by which labels it is found again.
fn named(name: &str, id: &str, (label, instance): (&str, &str)) -> [String; 3] {
    [format!("--name={name}"), format!("--label={}={id}", names::LABEL), format!("--label={label}={instance}")]
}

/// The options that take everything away which a container has by default and an agent does not need.
fn confined(user: (u32, u32), memory: u64, cpus: u32, pids: u32, file: u64) -> Vec<String> {
    let thousandths = format!("{}.{:03}", cpus / 1000, cpus % 1000);
    vec![
        format!("--user={}:{}", user.0, user.1),
        "--cap-drop=ALL".into(),
        "--security-opt=no-new-privileges".into(),
        "--read-only".into(),
        "--no-healthcheck".into(),
        "--ipc=private".into(),
        "--restart=no".into(),
        format!("--memory={memory}"),
        format!("--memory-swap={memory}"),
        format!("--cpus={thousandths}"),
        format!("--pids-limit={pids}"),
        "--shm-size=8m".into(),
        format!("--ulimit=fsize={file}:{file}"),
        "--ulimit=core=0:0".into(),
        "--ulimit=nofile=4096:4096".into(),
        "--log-driver=json-file".into(),
        "--log-opt=max-size=8m".into(),
        "--log-opt=max-file=2".into(),
    ]
}

impl Container<'_> {
    /// The words behind `docker`.
    pub fn create(&self) -> Vec<String> {
        let Limits { memory, cpus, pids, disk, .. } = *self.limits;
        let mut words: Vec<String> = vec!["create".into()];
        words.push(format!("--name={}", names::container(self.id)));
        words.push(format!("--hostname={}", self.id));
        words.push(format!("--label={}={}", names::LABEL, self.id));
        words.push(format!("--label={}={}", names::NAME, self.name));
        words.extend((!self.is_attached).then(|| format!("--label={}=true", names::PERSISTENT)));
        words.push(format!("--label={}={}", self.instance.0, self.instance.1));
        words.extend(self.runtime.map(|runtime| format!("--runtime={runtime}")));
        words.extend(confined(self.user, memory, cpus, pids, disk));
        let (user, group) = self.user;
        // Both count as its memory: together less than half of it.
        for (folder, share) in [("/tmp", memory / 4), (names::HOME, memory / 5)] {
            let mode =
                if folder == "/tmp" { "mode=1777".to_owned() } else { format!("mode=0700,uid={user},gid={group}") };
            words.push(format!("--tmpfs={folder}:rw,nosuid,nodev,exec,size={share},{mode}"));
        }
        match &self.addresses {
            None => words.push("--network=none".into()),
            Some((own, relay)) => {
                words.push(format!("--network={}", names::network(self.id)));
                words.push(format!("--ip={own}"));
                // No resolver of the host's is asked.
                words.push("--dns=127.0.0.1".into());
                words.extend(self.hosts.iter().map(|host| format!("--add-host={host}:{relay}")));
            }
        }
        words.push(format!("--env-file={}", self.variables.display()));
        words.push(format!("--env={}", names::TASK));
        words.extend(self.binds.iter().map(Bind::option));
        words.push(format!("--workdir={}", self.folder));
        words.extend(self.is_attached.then(|| "--interactive".to_owned()));
        words.push(format!("--entrypoint={}", names::PROGRAM));
        words.push(self.image.to_owned());
        words.extend(self.init.iter().cloned());
        words
    }
}

/// Where a port of a relay leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The port.
    pub port: u16,
    /// Who is asked by it, where others have the same port; none where it leads to one place.
    pub name: Option<String>,
    /// The socket.
    pub socket: String,
}

impl Lead {
    fn words(&self) -> [String; 2] {
        let Self { port, name, socket } = self;
        match name {
            Some(name) => ["--named".into(), format!("{port}={name}={socket}")],
            None => ["--listen".into(), format!("{port}={socket}")],
        }
    }
}

/// The container that is the one way out of an agent's network: it knows the sockets in a folder, and nothing else.
#[derive(Debug, Clone)]
pub struct Relay<'a> {
    /// The run.
    pub id: &'a str,
    /// The label of its instance, with the instance's id.
    pub instance: (&'a str, &'a str),
    /// The image, by its id.
    pub image: &'a str,
    /// The user and group.
    pub user: (u32, u32),
    /// Its address.
    pub address: &'a str,
    /// silo's program, and the folder with the sockets.
    pub binds: [Bind; 2],
    /// Where its ports lead.
    pub ports: &'a [Lead],
    /// The socket by which other agents come, and the address that leads them to.
    pub entrance: Option<(&'a str, &'a str)>,
}

impl Relay<'_> {
    /// The words behind `docker`.
    pub fn run(&self) -> Vec<String> {
        let mut words: Vec<String> = vec!["run".into(), "--detach".into()];
        words.extend(named(&names::relay(self.id), self.id, self.instance));
        words.extend(confined(self.user, 64 << 20, 1000, 16, 1 << 20));
        words.push(format!("--network={}", names::network(self.id)));
        words.push(format!("--ip={}", self.address));
        words.extend(self.binds.iter().map(Bind::option));
        words.push(format!("--entrypoint={}", names::PROGRAM));
        words.push("--workdir=/".into());
        words.push(self.image.to_owned());
        words.push("relay".into());
        words.extend(self.ports.iter().flat_map(Lead::words));
        words.extend(self.entrance.iter().flat_map(|(socket, to)| ["--take".into(), format!("{socket}={to}")]));
        words
    }
}

/// The container that commits what an agent left open, and puts its commits into a file: git of the image, in a folder that an
/// agent could write, without a network.
#[derive(Debug, Clone)]
pub struct Bundler<'a> {
    /// The run.
    pub id: &'a str,
    /// The label of its instance, with the instance's id.
    pub instance: (&'a str, &'a str),
    /// The image, by its id.
    pub image: &'a str,
    /// The user and group.
    pub user: (u32, u32),
    /// Most bytes of what it writes.
    pub disk: u64,
    /// The engine's runtime, where the user wants another than its default.
    pub runtime: Option<&'a str>,
    /// silo's program, the clone, and where the bundle goes.
    pub binds: Vec<Bind>,
    /// Words of silo's program.
    pub words: Vec<String>,
}

impl Bundler<'_> {
    /// The words behind `docker`.
    pub fn run(&self) -> Vec<String> {
        let mut words: Vec<String> = vec!["run".into(), "--rm".into()];
        words.extend(named(&names::bundler(self.id), self.id, self.instance));
        words.extend(self.runtime.map(|runtime| format!("--runtime={runtime}")));
        words.extend(confined(self.user, 1 << 30, 2000, 128, self.disk));
        words.push("--network=none".into());
        words.push("--tmpfs=/tmp:rw,nosuid,nodev,size=64m,mode=1777".into());
        words.push("--env=HOME=/tmp".into());
        words.extend(self.binds.iter().map(Bind::option));
        words.push("--workdir=/".into());
        words.push(format!("--entrypoint={}", names::PROGRAM));
        words.push(self.image.to_owned());
        words.extend(self.words.iter().cloned());
        words
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_agent_gets_nothing_that_is_not_named() {
        let limits =
            Limits { memory: 1 << 30, cpus: 1500, pids: 64, disk: 1 << 20, time: Some(Duration::from_secs(5)) };
        let container = Container {
            id: "scout-1",
            name: "scout",
            instance: ("silo.instance", "i1"),
            image: "sha256:1",
            user: (1000, 100),
            limits: &limits,
            addresses: Some(("10.0.0.3".into(), "10.0.0.2".into())),
            hosts: vec!["db".into()],
            variables: Path::new("/s/env"),
            binds: vec![Bind::read(Path::new("/p,x"), names::PROGRAM), Bind::write(Path::new("/w"), names::WORK)],
            folder: names::WORK,
            is_attached: true,
            runtime: Some("runsc"),
            init: ["init", "--", "sh"].map(str::to_owned).to_vec(),
        };
        expect_test::expect![[r#"
            create
            --name=silo-agent-scout-1
            --hostname=scout-1
            --label=silo.agent=scout-1
            --label=silo.agent.name=scout
            --label=silo.instance=i1
            --runtime=runsc
            --user=1000:100
            --cap-drop=ALL
            --security-opt=no-new-privileges
            --read-only
            --no-healthcheck
            --ipc=private
            --restart=no
            --memory=1073741824
            --memory-swap=1073741824
            --cpus=1.500
            --pids-limit=64
            --shm-size=8m
            --ulimit=fsize=1048576:1048576
            --ulimit=core=0:0
            --ulimit=nofile=4096:4096
            --log-driver=json-file
            --log-opt=max-size=8m
            --log-opt=max-file=2
            --tmpfs=/tmp:rw,nosuid,nodev,exec,size=268435456,mode=1777
            --tmpfs=/home/agent:rw,nosuid,nodev,exec,size=214748364,mode=0700,uid=1000,gid=100
            --network=silo-agent-scout-1
            --ip=10.0.0.3
            --dns=127.0.0.1
            --add-host=db:10.0.0.2
            --env-file=/s/env
            --env=SILO_TASK
            --mount=type=bind,"src=/p,x",dst=/.silo/silo-proxy,readonly
            --mount=type=bind,src=/w,dst=/work
            --workdir=/work
            --interactive
            --entrypoint=/.silo/silo-proxy
            sha256:1
            init
            --
            sh
        "#]]
        .assert_eq(&(container.create().join("\n") + "\n"));
    }
}
