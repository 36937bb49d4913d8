//! Docker, asked for what k3d and compose do not tell: whose a cluster is, and an image registry to fix.

use std::path::Path;
use std::time::Duration;

use super::labels::{LABEL, cluster_of_server};
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::sys::cmd::Cmd;

/// What to type when Docker is missing.
pub const INSTALL: &str = "Install Docker: https://docs.docker.com/get-docker";
/// How long an answer may take, as in [`super::engine`].
const ASK: Duration = Duration::from_secs(20);
const RUN: Duration = Duration::from_mins(2);

/// How Docker and podman say that there is no such thing, in small letters.
const GONE: [&str; 6] = [
    "no such container",
    "no such image",
    "no such volume",
    "image not known",
    "is already in progress",
    "is marked for removal",
];

/// Docker with an environment to call it in.
#[derive(Debug, Clone, Copy)]
pub struct Docker<'a> {
    /// `docker`, or for services what stands in its place.
    pub program: &'static str,
    /// The environment.
    pub environment: &'a Environment,
    /// The folder.
    pub folder: &'a Path,
}

/// Whether these words are among the last that a program said.
pub(super) fn says(failure: &Failure, words: &str) -> bool {
    failure.excerpt.as_ref().is_some_and(|said| said.contains(words))
}

/// Adds how to go on where Docker itself does not answer, whichever program said so.
pub fn where_it_is_down(failure: Failure) -> Failure {
    if says(&failure, "Cannot connect to the Docker daemon") || says(&failure, "docker daemon running?") {
        return failure.hint("Start Docker, then run it again; ports and env file are kept");
    }
    if says(&failure, "permission denied while trying to connect to the Docker") {
        return failure
            .hint("Docker does not let this user in: https://docs.docker.com/engine/install/linux-postinstall");
    }
    failure
}

/// Whether the engine says that what something was to be done with is gone, or on its way: somebody else removes it at the same time.
pub fn is_gone(failure: &Failure) -> bool {
    let says_gone = |line: &str| {
        let line = line.to_lowercase();
        let is_of = |kind: &&str| line.contains(*kind) && line.ends_with(" not found");
        GONE.iter().any(|words| line.contains(words)) || ["network ", "endpoint "].iter().any(is_of)
    };
    // Docker's own words about the program that it calls for networks.
    let is_code = |line: &str| line.ends_with("| exit status 1");
    let Some(said) = &failure.excerpt else { return false };
    said.lines().any(says_gone) && said.lines().all(|line| says_gone(line) || is_code(line))
}

/// Takes it for done where what was to go is gone.
pub(super) fn unless_gone(done: Result<(), Failure>) -> Result<(), Failure> {
    done.or_else(|failure| if is_gone(&failure) { Ok(()) } else { Err(failure) })
}

/// The field of a listing that holds a label, empty without it.
pub fn label(name: &str) -> String {
    format!("(.Label \"{name}\")")
}

impl Docker<'_> {
    /// The instance id in the label of a cluster's first server, running or not. Of all containers that bear the cluster's
    /// labels, which anybody may write, that one alone has a name that only the cluster itself can have.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn cluster_owner(&self, cluster: &str) -> Result<Option<String>, Failure> {
        self.of_first_server(cluster, LABEL)
    }

    /// Every cluster whose first server has an instance's id, running or not, with that id.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn labelled_clusters(&self) -> Result<Vec<(String, String)>, Failure> {
        let fields = [".Names".to_owned(), label(LABEL)];
        let rows = self.rows(&["ps", "--all", "--filter", &format!("label={LABEL}")], &fields)?;
        let cluster = |[name, owner]: [String; 2]| Some((cluster_of_server(&name)?.to_owned(), owner));
        Ok(rows.into_iter().filter_map(cluster).collect())
    }

    fn of_first_server(&self, cluster: &str, name: &str) -> Result<Option<String>, Failure> {
        let rows = self.of_cluster(cluster, &[".Names".to_owned(), label(name)])?;
        let first = rows.into_iter().find(|[name, _]| cluster_of_server(name) == Some(cluster));
        Ok(first.map(|[_, value]| value).filter(|value| !value.is_empty()))
    }

    /// All containers with a cluster's label, running or not.
    fn of_cluster<const N: usize>(&self, cluster: &str, fields: &[String; N]) -> Result<Vec<[String; N]>, Failure> {
        self.rows(&["ps", "--all", "--filter", &format!("label=k3d.cluster={cluster}")], fields)
    }

    /// What a listing says, field by field. Each field is asked for in JSON: a label may hold a newline, and would else forge
    /// a row of its own. What a wrapper prints beside the rows is passed over.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines, or when it printed something and no row: that is not to be taken for nothing.
    pub fn rows<const N: usize>(&self, words: &[&str], fields: &[String; N]) -> Result<Vec<[String; N]>, Failure> {
        self.rows_within(ASK, words, fields)
    }

    /// The same within another limit.
    pub(super) fn rows_within<const N: usize>(
        &self,
        limit: Duration,
        words: &[&str],
        fields: &[String; N],
    ) -> Result<Vec<[String; N]>, Failure> {
        let format = fields.each_ref().map(|field| format!("{{{{json {field}}}}}")).join("\t");
        let cmd = self.cmd(&[words, &["--format", &format]].concat());
        let answer = cmd.capture(limit)?.success(&cmd).map_err(where_it_is_down)?;
        let text = String::from_utf8_lossy(&answer);
        let row = |line: &str| {
            let fields: Result<Vec<String>, _> = line.split('\t').map(serde_json::from_str).collect();
            fields.ok()?.try_into().ok()
        };
        let rows: Vec<_> = text.lines().filter_map(row).collect();
        if rows.is_empty() && !text.trim().is_empty() {
            return Err(Failure::new(format!("`docker {}` printed something other than JSON", words.join(" ")))
                .hint("Run it by hand and look; Docker 20.10 or newer is needed: `docker version`"));
        }
        Ok(rows)
    }

    /// Does what these words say, and waits for it.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn run(&self, words: &[&str]) -> Result<(), Failure> {
        let cmd = self.cmd(words);
        cmd.capture(RUN)?.success(&cmd).map_err(where_it_is_down).map(|_| ())
    }

    /// Removes things of a kind, by words such as `volume rm`. One that somebody else removes meanwhile keeps none of the others.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines, of the first that could not be removed; the others are removed anyway.
    pub fn remove(&self, words: &[&str], names: &[&str]) -> Result<(), Failure> {
        let Err(failure) = self.run(&[words, names].concat()) else { return Ok(()) };
        if names.len() == 1 {
            return unless_gone(Err(failure));
        }
        // What Docker says of one thing says nothing of the others.
        let each = names.iter().map(|name| unless_gone(self.run(&[words, &[*name]].concat())));
        each.collect::<Vec<_>>().into_iter().collect()
    }

    /// Asks a container to end as it wants to be asked; one that is gone has ended.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn stop(&self, container: &str) -> Result<(), Failure> {
        unless_gone(self.run(&["stop", container]))
    }

    /// Removes what k3d leaves of a cluster whose making was cut off before its first server, as it is in the first minute
    /// of the first start, when images come over the network: the image registry, whose own network k3d then takes for one
    /// elsewhere, and the network, which a cluster made in it later would not delete. A registry that somebody connected
    /// elsewhere stays. (`ClusterDelete`, `ClusterPrepNetwork`: <https://github.com/k3d-io/k3d/blob/main/pkg/client/cluster.go>)
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn sweep(&self, cluster: &str, registry: Option<&str>) -> Result<(), Failure> {
        let network = format!("k3d-{cluster}");
        if let Some(registry) = registry {
            let rows = self.of_cluster(cluster, &[".Names".to_owned(), label("k3d.role"), ".Networks".to_owned()])?;
            let own = |networks: &str| networks.split(',').all(|one| ["", "bridge", &network].contains(&one));
            if rows.iter().any(|[name, role, networks]| name == registry && role == "registry" && own(networks)) {
                self.remove_container(registry)?;
            }
        }
        let networks = self.rows(&["network", "ls", "--filter", "label=app=k3d"], &[".Name".to_owned()])?;
        if networks.iter().any(|[name]| *name == network) {
            // Where somebody's container is in it, it stays, and k3d makes the cluster in it.
            let _ = self.run(&["network", "rm", &network]);
        }
        Ok(())
    }

    /// Starts a stopped container.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn start(&self, container: &str) -> Result<(), Failure> {
        self.run(&["start", container])
    }

    /// Makes an image registry again under its old name, in its cluster's network, which `--network` in `k3d.args` may have
    /// named; the cluster finds it by that name.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub fn make_registry(&self, name: &str, cluster: &str, port: u16) -> Result<(), Failure> {
        let publish = format!("127.0.0.1:{port}:5000");
        let (named, label) = (self.of_first_server(cluster, "k3d.cluster.network")?, format!("k3d.cluster={cluster}"));
        let network = named.unwrap_or_else(|| format!("k3d-{cluster}"));
        self.run(&[
            "run",
            "--detach",
            "--name",
            name,
            "--network",
            &network,
            "--restart",
            "unless-stopped",
            "--publish",
            &publish,
            "--label",
            "app=k3d",
            "--label",
            "k3d.role=registry",
            "--label",
            &label,
            "registry:2",
        ])
    }

    pub(super) fn cmd(&self, words: &[&str]) -> Cmd<'_> {
        let arguments = words.iter().map(Into::into).collect();
        Cmd { program: self.program, arguments, environment: self.environment, folder: self.folder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(lines: &[&str]) -> bool {
        let excerpt = lines.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n");
        unless_gone(Err(Failure { excerpt: Some(excerpt), ..Failure::new("`docker … rm` failed with exit code 1") }))
            .is_ok()
    }

    #[test]
    fn only_what_is_gone_is_no_failure() {
        for lines in [
            &["Error response from daemon: No such container: a"][..],
            &["Error response from daemon: removal of container a is already in progress"],
            &["Error response from daemon: No such image: a:latest"],
            &["Error response from daemon: get a: no such volume"],
            &["Error response from daemon: network a not found", "exit status 1"],
            &["Error response from daemon: endpoint a not found"],
            &["Error: a: image not known"],
        ] {
            assert!(ended(lines), "{lines:?}");
        }
        for lines in [
            &["exit status 1"][..],
            &["sh: docker: not found"],
            &["dial unix /run/docker.sock: connect: no such file or directory"],
            &["Error response from daemon: No such container: a", "Error response from daemon: volume is in use"],
            &["Error response from daemon: error while removing network: network a has active endpoints"],
        ] {
            assert!(!ended(lines), "{lines:?}");
        }
        assert!(unless_gone(Err(Failure::new("it says nothing"))).is_err());
    }
}
