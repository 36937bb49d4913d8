//! silo's own programs that the user has brought up: the proxy and the name server.

use super::super::proxy;
use super::report::Report;
use crate::core::healing::{self, Due, What};
use crate::core::leases::Wish;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::dns;
use crate::store::wanted::{DNS, PROXY};
use crate::store::{healing as events, registry};
use crate::sys::clock;

/// What starts one of them.
type Start = fn(&Context) -> Result<(), Failure>;

/// What they are called in a report.
const NAME: &str = "silo";

/// Brings them back; none where none is wanted. Who is patient waits until the next try is due.
pub(super) fn heal(context: &Context, is_dry: bool, is_patient: bool) -> Result<Option<Report>, Failure> {
    let wanted = registry::peek(&context.dirs)?.wanted;
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut report = Report { instance: NAME.to_owned(), ..Report::default() };
    for name in wanted {
        let wish = Wish::part(&name);
        report.wanted.push(wish.clone());
        let (is_up, start): (bool, Start) = match name.as_str() {
            PROXY => (crate::store::proxy::running(&context.dirs).is_some(), proxy::start),
            DNS => (dns_answers(context), start_dns),
            // A later silo's.
            _ => continue,
        };
        if is_up {
            continue;
        }
        match healing::due(&events::all(&context.dirs), "", &wish, clock::millis()) {
            Due::Never(tries) => {
                let again = if name == PROXY { "silo proxy up -d" } else { "silo dns up" };
                report.given_up.push((wish, format!("given up after {tries} tries; `{again}` lets it be tried again")));
            }
            Due::At(..) if is_patient => report.later.push((wish, "it is tried again soon".to_owned())),
            _ if is_dry => report.later.push((wish, "it would be brought back".to_owned())),
            _ => {
                events::add(&context.dirs, "", What::Tried, Some(&wish), None)?;
                match start(context) {
                    Ok(()) => report.healed.push(wish),
                    Err(failure) => {
                        let why = one_line(&failure.what);
                        events::add(&context.dirs, "", What::Failed, Some(&wish), Some(&why))?;
                        report.failed.push((wish, why));
                    }
                }
            }
        }
    }
    Ok(Some(report))
}

fn dns_answers(context: &Context) -> bool {
    dns::recorded(&context.dirs).is_some_and(|server| server.serves())
}

fn start_dns(context: &Context) -> Result<(), Failure> {
    dns::up(&context.dirs, &context.settings.network, &context.outside()).map(|_| ())
}
