//! `silo dns`: the user's own name server, and the system's resolver that asks it for silo's names.

mod install;

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::{DnsArgs, DnsWord};
use crate::core::healing::What;
use crate::core::leases::Wish;
use crate::failure::{Failure, code};
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::dns::{self, Started};
use crate::store::{healing, names, registry, wanted};
use crate::sys::lock::Wait;

pub(super) fn run(context: &Context, arguments: &DnsArgs) -> Result<u8, Failure> {
    let root = arguments.root.clone().unwrap_or_else(|| PathBuf::from("/"));
    if arguments.install || arguments.uninstall {
        return install::run(context, &root, arguments);
    }
    let network = &context.settings.network;
    match arguments.word.unwrap_or(DnsWord::Status) {
        DnsWord::Up => {
            noted(context, true)?;
            let started = dns::up(&context.dirs, network, &context.outside())?;
            let at = format!("127.0.0.1:{}", network.dns_port);
            context.ui.step(&match started {
                Started::Now => format!("The name server answers on {at} for names in `{}`", network.suffix),
                Started::Before => format!("The name server runs already, on {at}"),
            });
            if install::installed(&root, network).is_empty() {
                context.ui.step("The system's resolver does not ask it yet: `silo dns --install`");
            }
            Ok(0)
        }
        DnsWord::Down => {
            noted(context, false)?;
            context.ui.step(if dns::down(&context.dirs)? { "Stopped the name server" } else { "No name server runs" });
            Ok(0)
        }
        DnsWord::Status => status(context, &root, arguments.json),
    }
}

/// Remembers whether the user wants it up (D31), and that what failed before counts no more.
fn noted(context: &Context, is_wanted: bool) -> Result<(), Failure> {
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    wanted::server(&context.dirs, &wait, wanted::DNS, is_wanted)?;
    if is_wanted { healing::add(&context.dirs, "", What::Up, Some(&Wish::part(wanted::DNS)), None) } else { Ok(()) }
}

/// Whether it runs, who asks it, and what it knows.
fn status(context: &Context, root: &Path, as_json: bool) -> Result<u8, Failure> {
    let (dirs, network) = (&context.dirs, &context.settings.network);
    let server = dns::recorded(dirs).filter(dns::Server::serves);
    let installed = install::installed(root, network);
    let mut known: Vec<(String, String)> = Vec::new();
    for instance in registry::peek(dirs)?.instances {
        let text = names::published(dirs, Path::new(&instance.root))?.unwrap_or_default();
        known.extend(names::rows(&text).map(|(address, name)| (name.to_owned(), address.to_owned())));
    }
    known.sort();
    if as_json {
        context.ui.answer_json(&json!({
            "runs": server.is_some(),
            "pid": server.as_ref().map(|server| server.pid),
            "port": server.as_ref().map_or(network.dns_port, |server| server.port),
            "suffix": network.suffix,
            "installed": installed,
            "names": known.iter().cloned().collect::<indexmap::IndexMap<String, String>>(),
        }))?;
    } else {
        let mut text = match &server {
            Some(server) => format!("Name server: 127.0.0.1:{} (pid {})\n", server.port, server.pid),
            None => "Name server: down; `silo dns up` starts it\n".to_owned(),
        };
        text.push_str(&match installed.is_empty() {
            false => format!("Asked by the system: {}\n", installed.join(", ")),
            true => "Asked by the system: no; `silo dns --install` shows what to change\n".to_owned(),
        });
        text.push_str(if known.is_empty() { "Names: none\n" } else { "Names:\n" });
        for (name, address) in &known {
            text.push_str(&format!("  {name}  {address}\n"));
        }
        context.ui.answer(&text)?;
    }
    Ok(if server.is_some() { 0 } else { code::FAILURE })
}
