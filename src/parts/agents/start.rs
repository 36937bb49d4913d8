//! Making what a run needs, up to its container, which is not started. Its record is there before.

use std::path::{Path, PathBuf};

use super::order::{GRACE, Order};
use super::outside::Outside;
use super::variables::Variables;
use super::{clone, grants, image, remember, template, wall};
use crate::backend::labels::LABEL as INSTANCE;
use crate::core::agents::arguments::{Bind, Container};
use crate::core::agents::names;
use crate::core::agents::record::{Run, Stage};
use crate::core::config::Text;
use crate::core::config::agents::Lifetime;
use crate::core::text::source::size;
use crate::failure::{Failure, shown};
use crate::parts::beside;
use crate::store::agents::{self, Place};
use crate::sys::writing::{self, Writing};
use crate::sys::{clock, files, mounts};

/// What must be left of the disk beside what an agent may take, in bytes.
const FLOOR: u64 = 256 << 20;

/// Makes the record of a run, and all it needs. Whatever fails, what was made is recorded, for [`super::clear`] to remove.
pub(super) fn make(order: &Order<'_>) -> Result<Run, Failure> {
    let scope = order.site.scope;
    let (context, agent) = (scope.context, order.agent);
    let outside = Outside::of(context);
    outside.require()?;
    let program = beside::proxy(context)?;
    let place = Place::of(&context.dirs, order.id);
    room(order, &place)?;
    let mut run = Run {
        id: order.id.to_owned(),
        agent: order.name.to_owned(),
        template: order.origin.template_folder().map(|folder| folder.to_string_lossy().into_owned()),
        is_persistent: agent.lifetime == Lifetime::Persistent,
        root: scope.project.root_text().to_owned(),
        instance: scope.id.clone(),
        name: order.site.settled.known.name.clone(),
        engine: outside.place(),
        image: String::new(),
        is_built: false,
        task: order.task.map(str::to_owned),
        cloned: None,
        network: None,
        user: user(),
        disk: agent.limits.disk,
        stage: Stage::Making,
        created: clock::now(),
        end: None,
    };
    agents::save(&context.dirs, &run)?;
    files::make_folder(&place.work())?;
    let mut variables = Variables::of(order);
    let root = template::folder(order, &place, &variables)?;
    let image = image::image(order, &outside, &root, &place.work(), &mut run)?;
    files::make_folder(&place.left())?;
    files::make_folder(&place.bundles())?;
    let top = clone::origin(order, &outside)?;
    if let Some(top) = &top {
        run.cloned = Some(clone::make(order, &outside, top, &place.clone_folder())?);
    }
    agents::save(&context.dirs, &run)?;
    // Who gets no role of the memory is not led to it.
    let memory = remember::give(order, &place);
    let mut way = wall::open(order, &outside, &mut run, &mut variables, memory.is_some())?;
    if let Some(way) = &mut way {
        wall::raise(order, &outside, &mut run, way)?;
    }
    let mut init = init(order, &run);
    init.extend(way.as_ref().map(wall::Way::probes).unwrap_or_default());
    init.push("--".into());
    init.extend(command(order, &variables, &image.command())?);
    let variables_file = place.work().join("variables");
    variables.write(order, &variables_file)?;
    let mut binds = vec![Bind::read(&program, names::PROGRAM), Bind::write(&place.left(), names::FINDINGS)];
    for (name, text) in accounts(run.user) {
        let path = place.work().join(name);
        writing::replace(&path, text.as_bytes(), Writing { durable: false, ..Writing::SHARED })?;
        binds.push(Bind::read(&path, &format!("/etc/{name}")));
    }
    // Without a clone it begins where the image says, as `COPY . .` and `CMD ["python", "main.py"]` need it.
    let mut folder = image.folder().unwrap_or(names::FINDINGS).to_owned();
    if let Some(top) = &top {
        binds.push(Bind::write(&place.clone_folder(), names::WORK));
        // The clone is of the whole repository.
        let inside = scope.project.root.strip_prefix(top).unwrap_or(Path::new(""));
        folder = PathBuf::from(names::WORK).join(inside).to_string_lossy().trim_end_matches('/').to_string();
    }
    binds.extend(grants::binds(order, &outside, &root)?);
    binds.extend(memory);
    let container = Container {
        id: order.id,
        name: order.name,
        instance: (INSTANCE, &scope.id),
        image: &run.image,
        user: run.user,
        limits: &agent.limits,
        addresses: way.as_ref().map(wall::Way::addresses),
        hosts: way.as_ref().map(|way| way.hosts.clone()).unwrap_or_default(),
        variables: &variables_file,
        binds,
        folder: &folder,
        is_attached: !run.is_persistent,
        runtime: context.settings.agents.runtime.as_deref(),
        init,
    };
    // What the agent does not get is looked for while its container is made: each takes its time.
    std::thread::scope(|threads| {
        let told = top.as_ref().map(|top| threads.spawn(|| clone::tell(order, &outside, top)));
        let made = outside.docker().make_agent(&container, order.task);
        drop(told.map(std::thread::ScopedJoinHandle::join));
        made
    })?;
    run.stage = Stage::Running;
    agents::save(&context.dirs, &run)?;
    Ok(run)
}

/// Refuses to begin where the disk could get full.
fn room(order: &Order<'_>, place: &Place) -> Result<(), Failure> {
    files::make_folder(place.folder())?;
    let wanted = order.agent.limits.disk.saturating_add(FLOOR);
    match mounts::free(place.folder()) {
        Some(free) if free < wanted => Err(Failure::new(format!(
            "The agent `{}` may take {} of disk, and `{}` has {} left",
            order.name,
            size(order.agent.limits.disk),
            shown(place.folder()),
            size(free)
        ))
        .hint(format!("Free some space, or give it less: `disk` of `[agents.{}]`", order.origin.table))),
        _ => Ok(()),
    }
}

/// The user and group that an agent runs as: the user's own, so that what it writes is theirs.
fn user() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// A line for the user in the container's own list of users, and of groups: programs look themselves up there.
fn accounts((user, group): (u32, u32)) -> [(&'static str, String); 2] {
    // Git takes the full name from here.
    let (home, (name, _)) = (names::HOME, names::COMMITTER);
    let passwd = match user {
        0 => format!("root:x:0:0:{name}:{home}:/bin/sh\n"),
        _ => format!("root:x:0:0:root:/:/bin/sh\nagent:x:{user}:{group}:{name}:{home}:/bin/sh\n"),
    };
    let groups = match group {
        0 => "root:x:0:\n".to_owned(),
        _ => format!("root:x:0:\nagent:x:{group}:\n"),
    };
    [("passwd", passwd), ("group", groups)]
}

/// Words of silo's init.
fn init(order: &Order<'_>, run: &Run) -> Vec<String> {
    let mut words: Vec<String> = vec!["init".into(), "--grace".into(), GRACE.to_string()];
    if let Some(time) = order.agent.limits.time {
        words.extend(["--deadline".into(), time.as_secs().to_string()]);
    }
    if !run.is_persistent {
        words.push("--end-with-stdin".into());
    }
    words.extend(["--disk".into(), run.disk.to_string(), "--free".into(), FLOOR.to_string()]);
    words.extend(["--measure".into(), names::FINDINGS.into()]);
    if run.cloned.is_some() {
        words.extend(["--measure".into(), names::WORK.into(), "--needs".into(), "git".into()]);
    }
    words
}

/// The agent's command, or the image's own.
fn command(order: &Order<'_>, variables: &Variables, of_image: &[String]) -> Result<Vec<String>, Failure> {
    let key = order.origin.key("command");
    let said: Vec<String> =
        order.agent.command.iter().map(|text: &Text| variables.fill(order, &key, text)).collect::<Result<_, _>>()?;
    match (said.is_empty(), of_image.is_empty()) {
        (false, _) => Ok(said),
        (true, false) => Ok(of_image.to_vec()),
        (true, true) => Err(Failure::new(format!("Neither `{key}` nor the image says what the agent runs"))
            .hint(format!("Add it: `command = [\"python\", \"main.py\"]` below `[agents.{}]`", order.origin.table))),
    }
}

/// A run's own folder in the state, and what may be there of one before.
pub(super) fn refuse_known(order: &Order<'_>) -> Result<(), Failure> {
    let context = order.site.scope.context;
    let Some(known) = agents::load(&context.dirs, order.id)? else { return Ok(()) };
    let what = match known.stage {
        Stage::Ended => "has ended, and its log and findings are kept",
        _ => "is there already",
    };
    Err(Failure::new(format!("The run `{}` {what}", order.id))
        .hint(format!("Look at it: `silo agent logs {}`", order.id))
        .hint("Choose another ID: `silo agent run --as ID`"))
}
