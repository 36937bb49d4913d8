//! What all connections share: providers, keys as they are now, what has been spent, and how fast.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use silo::core::config::providers::{KeySource, Provider, Providers, Secret};
use silo::core::gateway::api::Shape;
use silo::core::gateway::keys::Keys;
use silo::core::gateway::pace::Pace;
use silo::failure::{Failure, shown};
use silo::parts::context::Context;
use silo::store::agents::wall;
use silo::store::gateway::book::Book;
use silo::store::gateway::{file, keys};
use silo::sys::cmd::{Cmd, Ended};
use silo::sys::{files, processes};
use tokio::sync::Semaphore;

use super::doors::Doors;
use super::tls;
use super::upstream::Upstream;

/// How long a command that prints a key may take.
const COMMAND: Duration = Duration::from_mins(1);
/// How many KiB of requests are held at once, in all.
pub(super) const ROOM: u32 = 256 * 1024;

/// What all connections share.
pub(crate) struct Gateway {
    /// Folders, environment, printing.
    pub(super) context: Context,
    /// The file as it was read.
    pub(super) file: Providers,
    /// Places in memory for requests, in KiB.
    pub(super) room: Arc<Semaphore>,
    /// How many calls are on their way.
    pub(super) open: AtomicUsize,
    /// The ways of agents to one another.
    pub(super) doors: Doors,
    upstreams: HashMap<String, Arc<Upstream>>,
    book: Mutex<Book>,
    keys: Mutex<Known>,
    paces: Mutex<HashMap<String, Pace>>,
    started: Instant,
}

/// The keys, and how their file stood when they were read.
#[derive(Default)]
struct Known {
    look: Option<(i128, u64, u64)>,
    keys: Arc<Keys>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gateway {
    /// Reads the file, asks for keys, and opens the journal.
    pub(super) fn open(context: Context) -> Result<Arc<Self>, Failure> {
        let file = file::load(&context.dirs)?.unwrap_or_default();
        // Agents have other ways by it than to models.
        let has_agents = !wall::all(&context.dirs).is_empty();
        let file = Some(file).filter(|file| has_agents || !file.providers.is_empty()).ok_or_else(|| {
            Failure::new(format!("`{}` names no provider", shown(&file::place(&context.dirs))))
                .hint("Write one with its key there: `silo doc gateway` has an example")
        })?;
        let upstreams = file.providers.iter().map(|(name, provider)| {
            upstream(&context, name, provider).map(|upstream| (name.clone(), Arc::new(upstream)))
        });
        let upstreams = upstreams.collect::<Result<HashMap<_, _>, _>>()?;
        // Without a word for this start of the machine, each start of the gateway counts as one after a power failure.
        let this_start = processes::this_boot().unwrap_or_else(|| format!("process-{}", std::process::id()));
        let book = Book::open(&context.dirs, &this_start)?;
        let room = usize::try_from(ROOM).expect("it is a small constant");
        Ok(Arc::new(Self {
            context,
            file,
            room: Arc::new(Semaphore::new(room)),
            open: AtomicUsize::new(0),
            doors: Doors::default(),
            upstreams,
            book: Mutex::new(book),
            keys: Mutex::default(),
            paces: Mutex::default(),
            started: Instant::now(),
        }))
    }

    /// The journal. It is never held while something is waited for.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }

    /// The keys as they are now: a key that is taken back opens nothing from the next request on.
    pub(super) fn keys(&self) -> Result<Arc<Keys>, Failure> {
        let mut known = locked(&self.keys);
        let look = files::look(&keys::place(&self.context.dirs));
        if look.is_none() || look != known.look {
            *known = Known { look, keys: Arc::new(keys::load(&self.context.dirs)?) };
        }
        Ok(Arc::clone(&known.keys))
    }

    /// What is left of a key's minute, and the time.
    pub(super) fn pace<T>(&self, key: &str, act: impl FnOnce(&mut Pace, Duration) -> T) -> T {
        act(locked(&self.paces).entry(key.to_owned()).or_default(), self.started.elapsed())
    }

    /// The provider of a name.
    pub(super) fn upstream(&self, name: &str) -> Arc<Upstream> {
        Arc::clone(&self.upstreams[name])
    }
}

fn upstream(context: &Context, name: &str, provider: &Provider) -> Result<Upstream, Failure> {
    let secret = match &provider.key {
        KeySource::None => None,
        KeySource::Text(secret) => Some(secret.clone()),
        KeySource::Command(command) => Some(printed(context, name, command)?),
    };
    let key = secret.map(|secret| {
        let text = match provider.shape {
            Shape::Anthropic => secret.reveal().to_owned(),
            Shape::OpenAi => format!("Bearer {}", secret.reveal()),
        };
        let mut value = HeaderValue::from_str(&text).expect("a secret is a word of ASCII");
        value.set_sensitive(true);
        value
    });
    let folder = file::place(&context.dirs);
    let folder = folder.parent().expect("it lies in a folder");
    let ca: Option<PathBuf> = provider.ca.as_ref().map(|ca| match ca.strip_prefix("~/") {
        Some(rest) => context.dirs.home.join(rest),
        None => folder.join(ca),
    });
    let tls = tls::of(&provider.url, ca.as_deref())?;
    Ok(Upstream::new(name, provider.clone(), key, tls))
}

/// What a command prints in its first line. Nothing of it is shown, whatever goes wrong.
fn printed(context: &Context, name: &str, command: &str) -> Result<Secret, Failure> {
    let environment = context.outside();
    let arguments = vec!["-c".into(), command.into()];
    let cmd = Cmd { program: "sh", arguments, environment: &environment, folder: &context.dirs.home };
    // The failure of `Cmd` would show the command and what it printed.
    let captured = cmd.capture(COMMAND).map_err(|failure| {
        let seconds = COMMAND.as_secs();
        Failure::new(format!("The `key_command` of `{name}` did not end within {seconds} s"))
            .hint("Run it by hand; it may wait for a password, and the gateway has no terminal")
            .code(failure.code)
    })?;
    if captured.ended != Ended::Code(0) {
        let code = captured.ended.code();
        return Err(Failure::new(format!("The `key_command` of `{name}` failed with exit code {code}"))
            .hint("Run it by hand; what it printed is not shown, for it may hold the key"));
    }
    let text = String::from_utf8_lossy(&captured.stdout);
    Secret::of(text.lines().next().unwrap_or_default()).ok_or_else(|| {
        Failure::new(format!("The `key_command` of `{name}` printed no key in its first line"))
            .hint("Run it by hand; the key alone must come, as one word")
    })
}
