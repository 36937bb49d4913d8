//! `silo dns --install` and `--uninstall`: one file of the system's resolver, shown before it is written, and known again by its
//! first line.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::DnsArgs;
use crate::core::config::user_network::NetworkSettings;
use crate::core::resolver::{MARK, Plan, Resolver};
use crate::failure::{Failure, code, quoted, shown};
use crate::parts::context::Context;
use crate::sys::cmd::Cmd;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// Largest file of the system's that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// How long a resolver may take to start again.
const RELOAD: std::time::Duration = std::time::Duration::from_secs(30);

pub(super) fn run(context: &Context, root: &Path, arguments: &DnsArgs) -> Result<u8, Failure> {
    let network = &context.settings.network;
    let acts = if arguments.install { vec![to_install(root, network)?] } else { to_remove(root, network) };
    let acts: Vec<Act> = acts
        .into_iter()
        .chain(of_other_suffixes(root, network))
        .filter(|act| act.before.as_ref() != act.after.as_ref())
        .collect();
    if acts.is_empty() {
        context.ui.step(match arguments.install {
            true => "The system's resolver asks silo's name server already",
            false => "Nothing of silo's is in the system's resolver",
        });
        return Ok(0);
    }
    for act in &acts {
        context.ui.answer(&act.shown())?;
    }
    if !may_write(&acts, root) {
        let lines: Vec<String> = acts.iter().flat_map(|act| act.commands(root)).collect();
        context.ui.answer(&format!("{}\n", lines.join("\n")))?;
        return Err(Failure::new("The system's resolver is root's to change; nothing was changed")
            .hint("Run the lines above, or the same command by `sudo`"));
    }
    if !arguments.yes {
        let said = context.ui.confirm("Change the system's resolver?").ok_or_else(|| {
            Failure::new("Nothing was changed: there is no terminal to ask on").hint(format!(
                "Say so beforehand: `silo dns --{} --yes`",
                if arguments.install { "install" } else { "uninstall" }
            ))
        })?;
        if !said {
            return Ok(code::FAILURE);
        }
    }
    for act in acts {
        if let Some(text) = &act.after {
            files::make_folder_for_all(act.path.parent().expect("it lies in a folder"))?;
            writing::replace(&act.path, text.as_bytes(), Writing::SHARED)?;
            context.ui.step(&format!("Wrote `{}`", shown(&act.path)));
        } else {
            files::remove(&act.path)?;
            context.ui.step(&format!("Removed `{}`", shown(&act.path)));
        }
        if let Some(line) = act.plan.reload {
            let mut words = line.split(' ');
            let outside = context.outside();
            let program = words.next().unwrap_or_default();
            let cmd = Cmd { program, arguments: words.map(Into::into).collect(), environment: &outside, folder: root };
            cmd.capture(RELOAD)?.success(&cmd)?;
            context.ui.step(&format!("Ran `{line}`"));
        }
    }
    Ok(0)
}

/// One file, as it is and as it is to be.
struct Act {
    path: PathBuf,
    before: Option<String>,
    after: Option<String>,
    plan: Plan,
}

impl Act {
    fn of(root: &Path, mut plan: Plan) -> Result<Self, Failure> {
        let path = below(root, &plan.file);
        // Below another root nothing runs that could read it again.
        plan.reload = plan.reload.filter(|_| root == Path::new("/"));
        let before = files::read(&path, LIMIT)?.map(|content| String::from_utf8_lossy(&content.bytes).into_owned());
        Ok(Self { path, before, after: None, plan })
    }

    /// Each line that goes and that comes.
    fn shown(&self) -> String {
        let lines = |sign: char, text: &Option<String>| {
            let mut shown = String::new();
            for line in text.iter().flat_map(|text| text.lines()) {
                let _ = writeln!(shown, "{sign} {line}");
            }
            shown
        };
        let reload = match self.plan.reload {
            Some(line) => format!("Then: {line}\n"),
            None => String::new(),
        };
        format!("{}:\n{}{}{reload}", shown(&self.path), lines('-', &self.before), lines('+', &self.after))
    }

    /// The same for somebody who may.
    fn commands(&self, root: &Path) -> Vec<String> {
        let path = quoted(&self.path);
        let mut lines = match &self.after {
            Some(text) => vec![
                format!("sudo mkdir -p {}", quoted(self.path.parent().unwrap_or(root))),
                format!("printf '%s' '{}' | sudo tee {path} >/dev/null", text.replace('\'', "'\\''")),
            ],
            None => vec![format!("sudo rm {path}")],
        };
        lines.extend(self.plan.reload.map(|line| format!("sudo {line}")));
        lines
    }
}

fn below(root: &Path, file: &str) -> PathBuf {
    root.join(file.trim_start_matches('/'))
}

/// Whether each file, or the nearest folder that is there, is the user's to write.
fn may_write(acts: &[Act], root: &Path) -> bool {
    let nearest = |path: &Path| path.ancestors().skip(1).find(|folder| files::is_folder(folder)).map(Path::to_path_buf);
    acts.iter()
        .all(|act| nearest(&act.path).is_some_and(|folder| folder.starts_with(root) && files::is_writable(&folder)))
}

fn to_install(root: &Path, network: &NetworkSettings) -> Result<Act, Failure> {
    let has = |file: &str| files::exists(&below(root, file));
    let Some(resolver) = Resolver::of(has, uses_dnsmasq(root)) else {
        return Err(Failure::new(
            "The system's resolver is none that silo knows: systemd-resolved, NetworkManager's dnsmasq, macOS",
        )
        .hint(format!(
            "Make it ask 127.0.0.1, port {}, for names in `{}`; without that the addresses themselves serve",
            network.dns_port, network.suffix
        )));
    };
    let mut act = Act::of(root, resolver.plan(&network.suffix, network.dns_port))?;
    if act.before.as_ref().is_some_and(|text| !text.starts_with(MARK)) {
        return Err(Failure::new(format!("`{}` exists, and silo did not write it", shown(&act.path)))
            .hint("Move it away, or put what it is to say into it by hand: `silo doc names`"));
    }
    act.after = Some(act.plan.text.clone());
    Ok(act)
}

/// Every file of silo's, whichever resolver the system has by now.
fn to_remove(root: &Path, network: &NetworkSettings) -> Vec<Act> {
    own(root, network).map(|(_, act)| act).collect()
}

fn own(root: &Path, network: &NetworkSettings) -> impl Iterator<Item = (Resolver, Act)> {
    let acts = Resolver::ALL
        .map(|resolver| Some((resolver, Act::of(root, resolver.plan(&network.suffix, network.dns_port)).ok()?)));
    acts.into_iter().flatten().filter(|(_, act)| act.before.as_ref().is_some_and(|text| text.starts_with(MARK)))
}

/// The files of macOS for what names ended in before: there is one for each suffix.
fn of_other_suffixes(root: &Path, network: &NetworkSettings) -> Vec<Act> {
    let now = below(root, &Resolver::MacOs.plan(&network.suffix, network.dns_port).file);
    let others = files::names_in(now.parent().unwrap_or(root)).into_iter().filter(|path| *path != now);
    let act = |path: PathBuf| {
        let file = path.strip_prefix(root).ok()?.to_str()?.to_owned();
        let act = Act::of(root, Plan { file, text: String::new(), reload: None }).ok()?;
        act.before.as_ref().is_some_and(|text| text.starts_with(MARK)).then_some(act)
    };
    others.filter_map(act).collect()
}

/// The resolvers that ask silo's name server as it is now.
pub(super) fn installed(root: &Path, network: &NetworkSettings) -> Vec<&'static str> {
    own(root, network)
        .filter(|(_, act)| act.before.as_ref() == Some(&act.plan.text))
        .map(|(one, _)| one.name())
        .collect()
}

/// Whether `NetworkManager` is told to run a dnsmasq.
fn uses_dnsmasq(root: &Path) -> bool {
    let folder = below(root, "/etc/NetworkManager");
    let more = files::names_in(&folder.join("conf.d"));
    std::iter::once(folder.join("NetworkManager.conf")).chain(more).any(|file| {
        let text = files::read(&file, LIMIT).ok().flatten().map(|content| content.bytes).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().any(|line| line.replace(' ', "") == "dns=dnsmasq")
    })
}
