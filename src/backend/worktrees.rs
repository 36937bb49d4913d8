//! git, asked about worktrees, branches and changes, and told to make and forget them. It gets the user's environment without
//! what would lead it to another repository; its hooks are the repository owner's own and run as git runs them.

mod locks;

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::core::shell::environment::Environment;
use crate::core::workspaces::porcelain::{self, Change, Checkout};
use crate::failure::{Failure, code, quoted, shown};
use crate::sys::cmd::{Captured, Cmd, Ended};
use crate::sys::{files, lock, trees};

/// How long git may take to answer.
const ASK: Duration = Duration::from_mins(1);
/// How long it may take to check out a repository, large files and hooks included.
const MAKE: Duration = Duration::from_hours(1);
/// How long one waits for its turn: the hooks of another may take long.
const TURN: Duration = Duration::from_mins(2);
/// How long a git that makes or removes a worktree may take between two small files, where others that look stumble.
const HALF: Duration = Duration::from_secs(3);
/// After how long what is half made was left so by a git that was ended.
const LEFT: Duration = Duration::from_secs(30);
/// After how long is tried again.
const SOON: Duration = Duration::from_millis(20);
/// What makes git act on another repository, index or tree than the folder's: set inside its hooks
/// (<https://git-scm.com/docs/git#_the_git_repository>).
const ELSEWHERE: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_QUARANTINE_PATH",
];

/// git in a folder.
#[derive(Debug, Clone)]
pub struct Git<'a> {
    environment: Environment,
    folder: &'a Path,
}

impl<'a> Git<'a> {
    /// In a folder, with this environment.
    pub fn of(environment: &Environment, folder: &'a Path) -> Self {
        let mut environment = environment.clone();
        for name in ELSEWHERE {
            environment.remove(name);
        }
        environment.set("LC_ALL", "C");
        environment.set("GIT_OPTIONAL_LOCKS", "0");
        environment.set("PWD", folder);
        Self { environment, folder }
    }

    /// The same in another folder.
    pub fn at<'b>(&self, folder: &'b Path) -> Git<'b> {
        Git::of(&self.environment, folder)
    }

    fn call(&self, words: &[&str], limit: Duration) -> Result<Captured, Failure> {
        let arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        let cmd = Cmd { program: "git", arguments, environment: &self.environment, folder: self.folder };
        cmd.capture(limit)
    }

    /// What a command prints that must succeed, byte for byte.
    pub(super) fn bytes(&self, words: &[&str], limit: Duration) -> Result<Vec<u8>, Failure> {
        let arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        let cmd = Cmd { program: "git", arguments, environment: &self.environment, folder: self.folder };
        cmd.capture(limit)?.success(&cmd)
    }

    /// What a command prints that must succeed.
    fn told(&self, words: &[&str], limit: Duration) -> Result<String, Failure> {
        String::from_utf8(self.bytes(words, limit)?).map_err(|_| {
            Failure::new(format!("git names something in `{}` that is not UTF-8", shown(self.folder)))
                .hint("Rename it; the records of silo are text")
        })
    }

    /// The same for what changes the list of worktrees, one after the other: git reads those of others meanwhile, and fails on one
    /// that is half made.
    fn in_turn(&self, act: impl Fn() -> Result<String, Failure>) -> Result<Result<String, Failure>, Failure> {
        let act = || self.once_whole(|| self.once_unlocked(&act));
        let Some(common) = self.common_dir()? else { return Ok(act()) };
        Ok(lock::in_turn(Path::new(&common), TURN, act))
    }

    /// What a question is answered with, without its last newline; none where git says no.
    fn asked(&self, words: &[&str]) -> Result<Option<String>, Failure> {
        let captured = self.call(words, ASK)?;
        let text = String::from_utf8_lossy(&captured.stdout);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok((captured.ended == Ended::Code(0)).then(|| text.to_owned()))
    }

    /// Whether the folder is in a repository.
    ///
    /// # Errors
    /// A [`Failure`] where git is missing, or will not look into this one.
    pub fn is_repository(&self) -> Result<bool, Failure> {
        let captured = self.call(&["rev-parse", "--git-dir"], ASK)?;
        let says = String::from_utf8_lossy(&captured.stderr).into_owned();
        match captured.ended {
            Ended::Code(0) => Ok(true),
            _ if says.contains("not a git repository") => Ok(false),
            _ => self.told(&["rev-parse", "--git-dir"], ASK).map(|_| true),
        }
    }

    /// Every checkout of the repository, the main one first.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn checkouts(&self) -> Result<Vec<Checkout>, Failure> {
        let list = || self.told(&["worktree", "list", "--porcelain", "-z"], ASK);
        let listed = self.once_whole(list).map_err(|failure| {
            let half_made = self.half_made();
            half_made.iter().fold(failure, |failure, folder| {
                let quoted = quoted(folder);
                failure.hint(format!(
                    "A git that was ended while it made a worktree left this half made: `rm -r {quoted}`"
                ))
            })
        })?;
        Ok(porcelain::checkouts(&listed))
    }

    /// Acts again where git stumbled over a worktree that another git, none of silo's, is just making or removing.
    fn once_whole(&self, act: impl Fn() -> Result<String, Failure>) -> Result<String, Failure> {
        let start = Instant::now();
        loop {
            match act() {
                Err(failure)
                    if stumbled(&failure)
                        && start.elapsed() < HALF
                        && !self.half_made().iter().any(|folder| is_left(folder)) =>
                {
                    std::thread::sleep(SOON);
                }
                done => return done,
            }
        }
    }

    /// What git keeps of worktrees of which it has not written all: its list fails as long as there is one.
    fn half_made(&self) -> Vec<PathBuf> {
        let common = self.common_dir().ok().flatten().unwrap_or_default();
        let empty = |folder: &PathBuf| files::is_folder(folder) && files::size(&folder.join("commondir")) == 0;
        files::names_in(&Path::new(&common).join("worktrees")).into_iter().filter(empty).collect()
    }

    /// The top of the checkout the folder is in; none in a bare repository.
    ///
    /// # Errors
    /// A [`Failure`] where git does not run.
    pub fn top(&self) -> Result<Option<String>, Failure> {
        self.asked(&["rev-parse", "--path-format=absolute", "--show-toplevel"])
    }

    /// The folder that all checkouts of the repository share.
    ///
    /// # Errors
    /// A [`Failure`] where git does not run.
    pub fn common_dir(&self) -> Result<Option<String>, Failure> {
        self.asked(&["rev-parse", "--path-format=absolute", "--git-common-dir"])
    }

    /// The checkout's own folder of git's.
    ///
    /// # Errors
    /// A [`Failure`] where git does not run.
    pub fn git_dir(&self) -> Result<Option<String>, Failure> {
        self.asked(&["rev-parse", "--absolute-git-dir"])
    }

    /// Whether git takes a name for a branch.
    ///
    /// # Errors
    /// A [`Failure`] where git does not run.
    pub fn takes_branch(&self, name: &str) -> Result<bool, Failure> {
        let is_plain = !name.starts_with('-') && name != "HEAD";
        Ok(is_plain && self.asked(&["check-ref-format", &reference(name)])?.is_some())
    }

    /// The commit a word leads to; none where it leads to none.
    ///
    /// # Errors
    /// A [`Failure`] where git does not run.
    pub fn commit(&self, word: &str) -> Result<Option<String>, Failure> {
        self.asked(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{word}^{{commit}}")])
    }

    /// The commit a branch leads to; none where there is no such branch.
    ///
    /// # Errors
    /// A [`Failure`] where git does not run.
    pub fn branch(&self, name: &str) -> Result<Option<String>, Failure> {
        self.commit(&reference(name))
    }

    /// Makes a worktree on a branch: one that is there, or a new one that begins at a commit. What a hook of the repository's
    /// fails with afterwards is returned; the worktree is whole then.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn add(&self, folder: &str, branch: &str, begins: Option<&str>) -> Result<Option<Failure>, Failure> {
        let is_again = Cell::new(false);
        let act = || {
            // A try that stumbled may have made the branch.
            let is_made = is_again.replace(true) && begins.is_some() && self.branch(branch)?.as_deref() == begins;
            match begins.filter(|_| !is_made) {
                Some(commit) => self.told(&["worktree", "add", "--no-track", "-b", branch, "--", folder, commit], MAKE),
                None => self.told(&["worktree", "add", "--", folder, branch], MAKE),
            }
        };
        let Err(failure) = self.in_turn(act)? else { return Ok(None) };
        // git takes a worktree back whose files it could not check out, and leaves one whose hook failed.
        let is_whole = self.checkouts()?.iter().any(|one| one.folder == folder && one.locked.is_none());
        if is_whole && files::is_file(&Path::new(folder).join(".git")) { Ok(Some(failure)) } else { Err(failure) }
    }

    /// Forgets a worktree whose folder is gone.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn forget(&self, folder: &str) -> Result<(), Failure> {
        match self.checkouts()?.iter().skip(1).find(|one| one.folder == folder) {
            None => Ok(()),
            // Twice, for one that git was just making is locked.
            Some(_) => {
                match self.in_turn(|| self.told(&["worktree", "remove", "--force", "--force", "--", folder], ASK))? {
                    // Another git, or its `gc`, was as fast.
                    Err(_) if !self.checkouts()?.iter().any(|one| one.folder == folder) => Ok(()),
                    done => done.map(|_| ()),
                }
            }
        }
    }

    /// What has changed in a checkout, files that git ignores or does not know included.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn changes(&self) -> Result<Vec<Change>, Failure> {
        let all = ["--untracked-files=all", "--ignored=matching", "--ignore-submodules=none"];
        let words = [&["status", "--porcelain", "-z"][..], &all].concat();
        Ok(porcelain::changes(&self.told(&words, ASK)?))
    }

    /// The paths below a folder, from there, that are no files of a commit, but for git's own link.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn not_in_commit(&self, folder: &Path, commit: &str) -> Result<Vec<String>, Failure> {
        let text = self.told(&["ls-tree", "-r", "-z", "--name-only", commit], ASK)?;
        let known: HashSet<&str> = text.split('\0').collect();
        let there = trees::files_below(folder).into_iter();
        let there = there.map(|path| path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned());
        Ok(there.filter(|path| path != ".git" && !known.contains(path.as_str())).collect())
    }

    /// Whether any tracked file has changed, or there is a new one that is not ignored.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn is_dirty(&self) -> Result<bool, Failure> {
        Ok(!self.told(&["status", "--porcelain", "-z"], ASK)?.is_empty())
    }

    /// Commits that `HEAD` alone holds: no branch, tag or remote does. At most three, as git shows them on a line.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn held_by_head_alone(&self) -> Result<Vec<String>, Failure> {
        if self.commit("HEAD")?.is_none() {
            return Ok(Vec::new());
        }
        self.commits(&["HEAD", "--not", "--branches", "--tags", "--remotes"])
    }

    /// Commits of this repository that no remote or tag holds. At most three, as git shows them on a line.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn held_by_no_remote(&self) -> Result<Vec<String>, Failure> {
        let head = self.commit("HEAD")?.map(|_| "HEAD");
        let words: Vec<&str> = head.into_iter().chain(["--branches", "--not", "--remotes", "--tags"]).collect();
        self.commits(&words)
    }

    /// Commits that a branch alone holds: no other branch, tag or remote does, nor a checkout without a branch. At most three,
    /// as git shows them on a line.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn held_by_branch_alone(&self, name: &str) -> Result<Vec<String>, Failure> {
        let (own, but) = (reference(name), format!("--exclude={name}"));
        let head = self.commit("HEAD")?.filter(|_| self.branch_of_head() != Some(own.clone()));
        let mut words = vec![own.as_str(), "--not", but.as_str(), "--branches", "--tags", "--remotes"];
        words.extend(head.as_deref());
        self.commits(&words)
    }

    fn branch_of_head(&self) -> Option<String> {
        self.asked(&["symbolic-ref", "--quiet", "HEAD"]).ok()?
    }

    fn commits(&self, words: &[&str]) -> Result<Vec<String>, Failure> {
        let words = [&["log", "--max-count=3", "--format=%h %s", "--no-show-signature"][..], words, &["--"]].concat();
        Ok(self.told(&words, ASK)?.lines().map(str::to_owned).collect())
    }

    /// The submodules that are checked out below the folder, from its top.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn submodules(&self) -> Result<Vec<String>, Failure> {
        let text = self.told(&["ls-files", "--stage", "-z"], ASK)?;
        let links = text.split('\0').filter_map(|entry| entry.strip_prefix("160000 ")?.split_once('\t'));
        let is_there = |path: &String| files::exists(&self.folder.join(path).join(".git"));
        Ok(links.map(|(_, path)| path.to_owned()).filter(is_there).collect())
    }

    /// Whether anything is stashed in this repository.
    ///
    /// # Errors
    /// A [`Failure`] where git does not run.
    pub fn has_stash(&self) -> Result<bool, Failure> {
        Ok(self.commit("refs/stash")?.is_some())
    }

    /// Removes a branch that still leads to a commit; one that has moved on stays.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines.
    pub fn remove_branch(&self, name: &str, commit: &str) -> Result<(), Failure> {
        match self.once_unlocked(|| self.told(&["update-ref", "-d", &reference(name), commit], ASK)) {
            // Somebody removed it or committed to it meanwhile.
            Err(_) if self.branch(name)?.as_deref() != Some(commit) => Ok(()),
            done => done.map(|_| ()),
        }
    }
}

/// Whether git has met a worktree of which the folder is there and not all that it keeps of it.
fn stumbled(failure: &Failure) -> bool {
    failure.excerpt.as_ref().is_some_and(|said| said.contains("failed to read ") && said.contains("commondir: "))
}

/// Whether nobody makes this any more.
fn is_left(half_made: &Path) -> bool {
    files::modified(half_made).is_some_and(|made| made.elapsed().is_ok_and(|age| age > LEFT))
}

/// The full name of a branch.
fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// That git is missing, where something needs it.
pub fn missing() -> Failure {
    Failure::new("`git` is not installed, and a workspace of a git repository is made with it")
        .code(code::FAILURE)
        .hint("Install it with the system's package manager, then run this again")
}
