//! Where silo keeps its own files (D1, D6): state and trust, never below `$TMPDIR` (D19).

use std::path::{Path, PathBuf};

use crate::core::shell::environment::Environment;
use crate::core::text::digest;
use crate::failure::{Failure, shown};
use crate::sys::files;

/// The last part of the folder of every instance's gates, so that it can be told from other folders of `PATH`.
pub const GATES: &str = "gates";
/// What an instance's lock of who starts it is called in its folder.
pub const UP_LOCK: &str = "up.lock";
/// The name of the file with the history of an instance's root.
pub const HISTORY: &str = "history";

/// The user's folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// The home folder, absolute.
    pub home: PathBuf,
    /// Registry, stamps, generated shell start files.
    pub state: PathBuf,
    /// Trust records.
    pub data: PathBuf,
    /// The user's own settings.
    pub config: PathBuf,
}

impl Dirs {
    /// Finds the folders; relative and empty XDG variables are ignored, as the XDG specification asks.
    ///
    /// # Errors
    /// A [`Failure`] when `HOME` is not an absolute path: the password database is not asked, for a static glibc
    /// program cannot (D20).
    pub fn find(environment: &Environment) -> Result<Self, Failure> {
        let missing = || Failure::new("HOME is not set to an absolute path").hint("Run `export HOME=/home/NAME` first");
        // First, for without `HOME` the next line would ask the password database.
        let home = environment.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute()).ok_or_else(missing)?;
        let dirs = directories::ProjectDirs::from("", "", "silo").ok_or_else(missing)?;
        // One spelling of each: the trailing slash of one shell is no other folder.
        let spelled = |path: &Path| path.components().collect::<PathBuf>();
        // The variables count on macOS too, where `directories` does not ask for them and has no folder for state.
        let xdg = |name: &str, default: &Path| {
            let set = environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
            spelled(&set.map_or_else(|| default.to_path_buf(), |path| path.join("silo")))
        };
        let state = xdg("XDG_STATE_HOME", dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()));
        let config = xdg("XDG_CONFIG_HOME", &home.join(".config/silo"));
        Ok(Self { state, data: xdg("XDG_DATA_HOME", dirs.data_dir()), config, home: spelled(&home) })
    }

    /// Makes sure that root does not write into the folders of another user, as `sudo silo` would where `HOME` is kept:
    /// that user could not write there any more (D113). A container's root with a home of its own, whoever made it, may.
    ///
    /// # Errors
    /// A [`Failure`] that names the folder, its owner and the way out.
    pub fn require_own(&self, environment: &Environment) -> Result<(), Failure> {
        let user = rustix::process::geteuid();
        let Some((folder, owner)) = self.of_another(user.is_root(), through_sudo(environment), files::owner) else {
            return Ok(());
        };
        let failure = Failure::new(format!(
            "As root, silo does not write into the home of another user: `{}` belongs to user {owner}",
            shown(&folder)
        ));
        Err(failure
            .hint("Run it without sudo, or with root's own home: `sudo -H silo`")
            .hint("Otherwise set HOME, XDG_STATE_HOME and XDG_DATA_HOME to root's own folders"))
    }

    /// A folder here that root must leave alone, and its owner. Files silo has written tell whose they are; a home alone
    /// does so only where root took another user's place, for a container may mount one.
    fn of_another(
        &self,
        root: bool,
        through_sudo: bool,
        owner: impl Fn(&Path) -> Option<u32>,
    ) -> Option<(PathBuf, u32)> {
        if !root {
            return None;
        }
        let written =
            [&self.state, &self.data].into_iter().filter_map(|folder| Some((folder.as_path(), owner(folder)?)));
        let above = [self.home.join("silo"), self.state.clone(), self.data.clone()];
        let above = above.iter().filter(|_| through_sudo);
        let above =
            above.filter_map(|folder| folder.ancestors().skip(1).find_map(|above| Some((above, owner(above)?))));
        let found = written.chain(above).find(|(_, owner)| *owner != 0);
        found.map(|(folder, owner)| (folder.to_path_buf(), owner))
    }

    /// Where other programs keep their settings: `$XDG_CONFIG_HOME`, or `~/.config`.
    pub fn config_home(&self) -> &Path {
        self.config.parent().expect("`find` puts a folder of silo's below it")
    }

    /// Where each root that has or had an instance has a folder.
    pub fn instances(&self) -> PathBuf {
        self.state.join("instances")
    }

    /// Where the user's templates are.
    pub fn templates(&self) -> PathBuf {
        self.config.join("templates")
    }

    /// Where each workspace has a folder, from before it is made until nothing of it is left.
    pub fn workspaces(&self) -> PathBuf {
        self.state.join("workspaces")
    }

    /// Where silo keeps what it needs for the memory.
    pub fn memory(&self) -> PathBuf {
        self.state.join("memory")
    }

    /// Where each run of an agent has a folder, from before it is made until the user removes it.
    pub fn agents(&self) -> PathBuf {
        self.state.join("agents")
    }

    /// Where the name server's files are.
    pub fn dns(&self) -> PathBuf {
        self.state.join("dns")
    }

    /// The folder of a project root.
    pub fn instance(&self, root: &Path) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        self.instances().join(digest::root_id(root.as_os_str().as_bytes()))
    }

    /// The folder of a run apart from a project's instance (D30), by its name.
    pub fn apart(&self, root: &str, run: &str) -> PathBuf {
        self.instances().join(digest::root_id(format!("{root}\0{run}").as_bytes()))
    }

    /// The stamp of a project root.
    pub fn stamp(&self, root: &Path) -> PathBuf {
        self.instance(root).join("stamp")
    }

    /// The history of a project root.
    pub fn history(&self, root: &Path) -> PathBuf {
        self.instance(root).join(HISTORY)
    }

    /// The gates of a project root.
    pub fn gates(&self, root: &Path) -> PathBuf {
        self.instance(root).join(GATES)
    }

    /// The lock that one `silo up` of a project holds while it runs.
    pub fn up_lock(&self, root: &Path) -> PathBuf {
        self.instance(root).join(UP_LOCK)
    }

    /// The lock that one filling of a worktree holds.
    pub fn workspace_lock(&self, root: &Path) -> PathBuf {
        self.instance(root).join("workspace.lock")
    }

    /// The lock that the proxy holds while it runs.
    pub fn proxy_lock(&self) -> PathBuf {
        self.state.join("proxy.lock")
    }

    /// Where the proxy that runs can be reached.
    pub fn proxy(&self) -> PathBuf {
        self.state.join("proxy.json")
    }

    /// What the proxy says in the background.
    pub fn proxy_log(&self) -> PathBuf {
        self.state.join("proxy.log")
    }

    /// What the gateway keeps: keys' digests, its journal, where it is.
    pub fn gateway(&self) -> PathBuf {
        self.state.join("gateway")
    }

    /// The folder of an agent, by its id.
    pub fn agent(&self, id: &str) -> PathBuf {
        self.agents().join(id)
    }

    /// The placeholder key of an instance.
    pub fn gateway_key(&self, root: &Path) -> PathBuf {
        self.instance(root).join("gateway-key")
    }

    /// Names the cluster that is being made, or whose making was cut off.
    pub fn making(&self, root: &Path) -> PathBuf {
        self.instance(root).join("making")
    }

    /// Names the process of a part that a gate has waited for.
    pub fn waited(&self, root: &Path) -> PathBuf {
        self.instance(root).join("waited")
    }

    /// What a program of an instance prints in the background.
    pub fn log(&self, root: &Path, program: &str) -> PathBuf {
        self.instance(root).join(format!("{program}.log"))
    }
}

/// Whether this is root in the place of another user.
fn through_sudo(environment: &Environment) -> bool {
    let by = |name: &str, root: &str| environment.text(name).is_some_and(|user| user != root);
    by("SUDO_UID", "0") || by("PKEXEC_UID", "0") || by("DOAS_USER", "root")
}

/// The working folder: `$PWD` where it names it, links kept as the shell hook keeps them; else what the system says.
///
/// # Errors
/// A [`Failure`] when the folder is gone and `$PWD` does not say what it was.
pub fn working_folder(environment: &Environment) -> Result<PathBuf, Failure> {
    let named = environment.get("PWD").map(PathBuf::from).filter(|folder| folder.is_absolute());
    match (named, std::env::current_dir()) {
        (Some(named), Ok(_)) if files::same(&named, Path::new(".")) => Ok(named),
        (_, Ok(folder)) => Ok(folder),
        // The folder was removed under the shell; its parents may still hold a project.
        (Some(named), Err(_)) => Ok(named),
        (None, Err(error)) => Err(Failure::file("find", Path::new("."), &error).hint("Go somewhere else: `cd`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: u32 = 1000;

    /// What root finds of another user's, where these folders exist with these owners.
    fn found(folders: &[(&str, u32)], through_sudo: bool) -> Option<(PathBuf, u32)> {
        let [home, state, data] = ["/home/anna", "/home/anna/.local/state/silo", "/home/anna/.local/share/silo"];
        let dirs = Dirs { home: home.into(), state: state.into(), data: data.into(), config: "/none".into() };
        let owner = |path: &Path| folders.iter().find(|(folder, _)| Path::new(folder) == path).map(|(_, owner)| *owner);
        assert_eq!(dirs.of_another(false, through_sudo, owner), None, "who is not root meets the modes of the files");
        dirs.of_another(true, through_sudo, owner)
    }

    #[test]
    fn root_through_sudo_leaves_another_users_home_alone() {
        let home = [("/", 0), ("/home", 0), ("/home/anna", ANNA)];
        assert_eq!(found(&home, true), Some(("/home/anna".into(), ANNA)));
        let local = [("/home/anna", 0), ("/home/anna/.local", ANNA)];
        assert_eq!(found(&local, true), Some(("/home/anna/.local".into(), ANNA)));
        // What an earlier `sudo silo` has left there makes nothing root's own.
        let left = [("/home/anna", ANNA), ("/home/anna/.local/state/silo", 0), ("/home/anna/.local/share/silo", 0)];
        assert_eq!(found(&left, true), Some(("/home/anna".into(), ANNA)));
    }

    #[test]
    fn root_leaves_what_silo_wrote_for_another_user_alone_however_it_became_root() {
        for folder in ["/home/anna/.local/state/silo", "/home/anna/.local/share/silo"] {
            assert_eq!(found(&[("/home/anna", ANNA), (folder, ANNA)], false), Some((folder.into(), ANNA)));
        }
    }

    #[test]
    fn root_at_home_and_in_a_container_writes() {
        assert_eq!(found(&[("/", 0), ("/home/anna", 0)], true), None, "a home of root's own");
        assert_eq!(found(&[("/", 0), ("/home/anna", ANNA)], false), None, "a mounted home");
        assert_eq!(found(&[("/", 0)], true), None, "no home yet");
    }

    #[test]
    fn sudo_of_root_is_no_other_user() {
        let through = |name: &str, value: &str| through_sudo(&[(name, value)].into_iter().collect());
        assert!(through("SUDO_UID", "1000") && through("PKEXEC_UID", "1000") && through("DOAS_USER", "anna"));
        assert!(!through("SUDO_UID", "0") && !through("SUDO_UID", "") && !through("DOAS_USER", "root"));
        assert!(!through("USER", "anna"));
    }
}
