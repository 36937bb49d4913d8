//! A volume of an instance, filled from another one. What is in it is a whole copy afterwards, or the volume is not there: a half
//! one is never left for a service to find. The volume it is filled from is read only, and never removed.

use std::path::Path;

use super::filling::{self, Filling};
use super::prepare::Prepared;
use super::run::{compose, docker, finish};
use crate::backend::copying::{Copier, Held, put_back};
use crate::backend::docker::Docker;
use crate::backend::labels::LABEL;
use crate::backend::volumes::{Made, SEEDED, User};
use crate::core::leases::Leases;
use crate::core::services::OwnVolume;
use crate::core::text::digest;
use crate::core::text::source::{one_line, size};
use crate::core::text::suggest::ticked;
use crate::failure::{Failure, code};
use crate::parts::scope::Site;
use crate::store::registry;
use crate::sys::files as disk;
use crate::sys::signals;

/// What is to be filled, and from where.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// The volume's key in the compose files.
    pub key: String,
    /// The volume in Docker that is copied.
    pub from: String,
    /// The words of `silo seed` that say the same.
    pub again: String,
    /// Whether what is in it may be lost.
    pub force: bool,
    /// Whether nobody is asked about that.
    pub yes: bool,
    /// Whether containers that use the source go on meanwhile.
    pub live: bool,
}

/// Everything a fill acts on.
#[derive(Clone, Copy)]
struct Job<'a> {
    site: &'a Site<'a>,
    docker: Docker<'a>,
    order: &'a Order,
    own: &'a OwnVolume,
}

/// Fills a volume, and starts again what it stopped for that.
///
/// # Errors
/// A [`Failure`] that says what is in the way, or that the copy broke off; then the volume is not there.
pub(super) fn fill(site: &Site<'_>, prepared: &Prepared, order: &Order) -> Result<(), Failure> {
    let docker = docker(site);
    let own = prepared.own(&order.key)?;
    let job = Job { site, docker, order, own };
    job.check_names()?;
    let (writers, users) = (job.writers()?, job.users()?);
    let id = digest::root_id(site.scope.project.root_text().as_bytes());
    let copier = Copier::new(docker, &id)?;
    let source = copier.hold(&order.from, true)?;
    if source.is_empty()? {
        return Err(Failure::new(format!("The volume `{}` is empty: there is nothing to bring over", order.from))
            .hint("Look at the others: `docker volume ls`"));
    }
    let there = docker.volume(&own.name)?;
    if let Some((_, when)) = &there {
        job.may_replace(&copier, when)?;
    }
    let ran = job.make_way(&users)?;
    let made = job.made(there.map(|(made, _)| made), &id);
    let names: Vec<String> = writers.iter().map(|user| user.name.clone()).collect();
    let (dirs, root) = (&site.scope.context.dirs, &site.scope.project.root);
    let mark = Filling { volume: own.name.clone(), again: order.again.clone(), stopped: names.clone() };
    filling::save(dirs, root, &mark)?;
    let outcome = job.copy(&copier, &source, &made, &names);
    put_back_writers(site, docker, &names);
    if let Err(failure) = outcome {
        return Err(job.take_back(failure));
    }
    filling::clear(dirs, root)?;
    drop(source);
    site.scope.context.ui.step(&format!("Filled `{}` from `{}`", own.name, order.from));
    job.start_again(prepared, &ran)
}

impl Job<'_> {
    fn check_names(self) -> Result<(), Failure> {
        let Self { order, own, docker, .. } = self;
        if let Some(device) = &own.said.device {
            return Err(Failure::new(format!(
                "The volume `{}` is `{}`, which silo does not fill",
                order.key,
                one_line(device)
            ))
            .hint("Copy into it by hand: `cp -a`"));
        }
        if order.from == own.name {
            return Err(Failure::new(format!("`{}` is the volume that is to be filled", own.name))
                .hint("Name another one: `docker volume ls`"));
        }
        if docker.volumes()?.iter().all(|volume| volume.name != order.from) {
            return Err(Failure::new(format!("There is no volume `{}`", one_line(&order.from)))
                .hint("List them: `docker volume ls`"));
        }
        Ok(())
    }

    /// The containers that write to the source and are stopped for the copy: those of instances, and those from before silo.
    fn writers(self) -> Result<Vec<User>, Failure> {
        let Self { order, docker, site, .. } = self;
        let leases = registry::peek(&site.scope.context.dirs)?;
        let running: Vec<User> = docker.users(&order.from)?.into_iter().filter(|user| user.runs).collect();
        if order.live {
            for user in &running {
                site.scope.context.ui.warn(&format!(
                    "`{}` runs on: what it writes during the copy may be missing or torn in it",
                    one_line(&user.name)
                ));
            }
            return Ok(Vec::new());
        }
        match running.iter().find(|user| !is_known(&leases, &site.scope.project.root, user)) {
            None => Ok(running),
            Some(user) => Err(Failure::new(format!(
                "The container `{}` uses `{}`, and is no instance's: silo does not stop it",
                one_line(&user.name),
                order.from
            ))
            .hint(format!("Stop it for the copy: `docker stop {}`", one_line(&user.name)))
            .hint("Or copy while it writes, which may tear a database: `--live`")),
        }
    }

    /// The containers of the target, all of which are this instance's own.
    fn users(self) -> Result<Vec<User>, Failure> {
        let Self { own, docker, site, .. } = self;
        let project = &site.settled.identity.compose_name;
        let users = docker.users(&own.name)?;
        // What an earlier copy left is removed by the next one.
        let users: Vec<User> = users.into_iter().filter(|user| !user.is_copiers).collect();
        match users.iter().find(|user| user.project != *project || user.is_one_off) {
            None => Ok(users),
            Some(user) => Err(Failure::new(format!(
                "The container `{}` uses `{}`, and is not a service of this instance",
                one_line(&user.name),
                own.name
            ))
            .hint(format!("If nobody needs it: `docker rm --force {}`", one_line(&user.name)))),
        }
    }

    /// Whether what is there may go: nothing, half of an earlier copy, or what is given up.
    fn may_replace(self, copier: &Copier<'_>, when: &str) -> Result<(), Failure> {
        let Self { order, own, site, .. } = self;
        let (context, root) = (site.scope.context, &site.scope.project.root);
        let is_half = filling::load(&context.dirs, root).is_some_and(|half| half.volume == own.name);
        if is_half || copier.hold(&own.name, true)?.is_empty()? {
            return Ok(());
        }
        let lost = format!("all that is in `{}`, made {}", own.name, one_line(when));
        if !order.force {
            return Err(Failure::new(format!("The volume `{}` is not empty", own.name))
                .hint(format!("To lose {lost}: `{} --force`", order.again)));
        }
        context.ui.step(&format!("This loses {lost}"));
        match order.yes.then_some(true).or_else(|| context.ui.confirm("Go on?")) {
            Some(false) => Err(Failure::new("Nothing was changed").code(code::FAILURE)),
            // It was typed where nobody can be asked.
            Some(true) | None => Ok(()),
        }
    }

    /// Removes the instance's containers that have the volume, which cannot be recreated before; the services that ran.
    fn make_way(self, users: &[User]) -> Result<Vec<String>, Failure> {
        let Self { docker, site, .. } = self;
        let mut ran: Vec<String> = users.iter().filter(|user| user.runs).map(|user| user.service.clone()).collect();
        ran.sort();
        ran.dedup();
        if !ran.is_empty() {
            site.scope.context.ui.step(&format!("Stopping {} for the copy", ticked(&ran)));
        }
        for user in users {
            docker.stop(&user.name)?;
            docker.remove(&["rm"], &[&user.name])?;
        }
        Ok(ran)
    }

    /// How the volume is made: as the one that is there, or as compose would.
    fn made(self, there: Option<Made>, id: &str) -> Made {
        let Self { order, own, site, .. } = self;
        let project = &site.settled.identity.compose_name;
        let mut made = there.unwrap_or_else(|| match own.is_kept {
            true => Made::kept(own),
            false => Made::by_compose(&own.name, project, &order.key, &own.said),
        });
        made.labels.insert(SEEDED.to_owned(), order.from.clone());
        made.labels.insert(LABEL.to_owned(), id.to_owned());
        made
    }

    fn copy(self, copier: &Copier<'_>, source: &Held<'_>, made: &Made, stop: &[String]) -> Result<(), Failure> {
        let Self { docker, own, order, site } = self;
        let ui = site.scope.context.ui;
        docker.remove_volume(&own.name)?;
        docker.make_volume(made)?;
        if !stop.is_empty() {
            ui.step(&format!("Stopping {}, which uses `{}`, for the copy", ticked(stop), order.from));
        }
        for name in stop {
            docker.stop(name)?;
        }
        let target = copier.hold(&own.name, false)?;
        let spinner = ui.spin(&format!("Copying `{}`", order.from));
        source.copy_to(&target, |bytes| spinner.say(&size(bytes))).map(|_| ())
    }

    /// After a copy that broke off: what is half filled goes.
    fn take_back(self, failure: Failure) -> Failure {
        let Self { docker, own, site, order } = self;
        let (dirs, root) = (&site.scope.context.dirs, &site.scope.project.root);
        let gone = put_back(docker, &["volume", "rm", "--force", &own.name]).is_ok();
        match gone && filling::clear(dirs, root).is_ok() {
            true => failure.hint(format!("Half of `{}` was removed; try again: `{}`", own.name, order.again)),
            false => {
                failure.hint(format!("`{}` is half filled, and starts nothing; try again: `{}`", own.name, order.again))
            }
        }
    }

    fn start_again(self, prepared: &Prepared, services: &[String]) -> Result<(), Failure> {
        if services.is_empty() {
            return Ok(());
        }
        signals::check()?;
        let Self { site, .. } = self;
        site.scope.context.ui.step(&format!("Starting {} again", ticked(services)));
        let words = ["up", "--detach", "--no-deps"].into_iter().chain(services.iter().map(String::as_str));
        let words: Vec<std::ffi::OsString> = words.map(Into::into).collect();
        finish(&compose(site).with_files(&prepared.files, &words), "up")
    }
}

/// Whether there is no container of a name any more.
fn is_gone(docker: Docker<'_>, name: &str) -> bool {
    let all = docker.rows(&["ps", "--all"], &[".Names".to_owned()]);
    all.is_ok_and(|all| !all.iter().any(|[one]| one == name))
}

/// Starts what was stopped for the copy, and says so.
fn put_back_writers(site: &Site<'_>, docker: Docker<'_>, names: &[String]) {
    let ui = site.scope.context.ui;
    let mut started = Vec::new();
    for name in names {
        match put_back(docker, &["start", name]) {
            Ok(()) => started.push(name),
            // Somebody has removed it meanwhile.
            Err(_) if is_gone(docker, name) => {}
            Err(_) => ui.warn(&format!("`{name}` was stopped for the copy and does not start: `docker start {name}`")),
        }
    }
    if !started.is_empty() {
        ui.step(&format!("Started {} again", ticked(&started)));
    }
}

/// Whether a container is an instance's, or was made in this root before silo: then it may be stopped for a moment.
fn is_known(leases: &Leases, root: &Path, user: &User) -> bool {
    let folder = Path::new(&user.folder);
    let is_here = disk::canonical(folder).is_ok_and(|folder| folder.starts_with(root));
    let instance = leases.named(&user.project);
    is_here || instance.is_some_and(|one| one.id == user.instance || folder.starts_with(&one.root))
}
