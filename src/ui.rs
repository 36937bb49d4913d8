//! The only place that prints (D11): stdout is the answer, stderr is the story.

use std::io::{ErrorKind, IsTerminal as _, Write};
use std::time::Duration;

use owo_colors::OwoColorize as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::Value;

use crate::core::config::user::UserSettings;
use crate::core::shell::environment::Environment;
use crate::core::text::columns::{self, Cell, Tone};
use crate::core::text::markdown::{Look, render};
use crate::core::text::source::{printable, printable_json};
use crate::failure::{Failure, reason};

/// How wide a terminal is taken to be that does not say it.
const WIDTH: usize = 80;
/// How wide a page may get; longer lines are hard to read.
const WIDEST: usize = 120;

/// How much silo says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ui {
    /// `-v`: also why things were decided as they were.
    pub verbose: bool,
    /// `SILO_LOG=off`: the shell hook says nothing.
    pub hook_silent: bool,
    /// The user's settings: the shell hook says nothing but failures.
    pub quiet: bool,
    /// What comes before and after the shell hook's lines, where it is not `silo: ` and nothing.
    pub log_format: Option<(&'static str, &'static str)>,
}

impl Ui {
    /// Prints an answer on stdout; control characters in it are replaced.
    ///
    /// # Errors
    /// As [`Ui::answer_bytes`].
    pub fn answer(self, text: &str) -> Result<(), Failure> {
        self.answer_bytes(printable(text).as_bytes())
    }

    /// Prints a value: byte for byte for a program, without what drives a terminal on one.
    ///
    /// # Errors
    /// As [`Ui::answer_bytes`].
    pub fn answer_value(self, value: &str) -> Result<(), Failure> {
        match std::io::stdout().is_terminal() {
            true => self.answer(&format!("{value}\n")),
            false => self.answer_bytes(format!("{value}\n").as_bytes()),
        }
    }

    /// Prints an answer in JSON, laid out for people too; no character of it drives a terminal.
    ///
    /// # Errors
    /// As [`Ui::answer_bytes`].
    pub fn answer_json(self, value: &Value) -> Result<(), Failure> {
        self.answer_bytes(printable_json(&format!("{value:#}\n")).as_bytes())
    }

    /// The same in one line.
    ///
    /// # Errors
    /// As [`Ui::answer_bytes`].
    pub fn answer_json_line(self, value: &Value) -> Result<(), Failure> {
        self.answer_bytes(printable_json(&format!("{value}\n")).as_bytes())
    }

    /// Prints an answer for a program, byte for byte. A reader that went away is no error.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be written.
    pub fn answer_bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        answered(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Hands on what a program printed to standard error, byte for byte; a reader that went away is no error.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be written.
    pub fn pass_on(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stderr().lock();
        answered(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Whether somebody types and reads at a terminal.
    pub fn is_at_terminal(self) -> bool {
        std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
    }

    /// Whether standard output and standard error are terminals.
    pub fn terminals(self) -> (bool, bool) {
        (std::io::stdout().is_terminal(), std::io::stderr().is_terminal())
    }

    /// Prints the help that was asked for as an answer, and a mistake on the command line as a part of the story.
    ///
    /// # Errors
    /// As [`Ui::answer_bytes`]; a mistake that nobody can be told about is none.
    pub fn explain(self, help: &clap::Error) -> Result<(), Failure> {
        let printed = help.print().and_then(|()| std::io::stdout().flush());
        if help.use_stderr() { Ok(()) } else { answered(printed) }
    }

    /// The width in columns at which answers are cut: the terminal's, or what `COLUMNS` says of it; none when the
    /// answer goes to a file or a pipe, whose reader wants all of it.
    pub fn width(self, environment: &Environment) -> Option<usize> {
        let told = || environment.text("COLUMNS").and_then(|columns| columns.parse().ok());
        std::io::stdout()
            .is_terminal()
            .then(|| told().or_else(columns_of_terminal))
            .flatten()
            .filter(|width| *width > 0)
    }

    /// Prints lines of an answer, in the colours of their tones where a terminal reads them.
    ///
    /// # Errors
    /// As [`Ui::answer_bytes`].
    pub fn lines(self, lines: &[Vec<Cell>]) -> Result<(), Failure> {
        self.answer_bytes(painted(lines).as_bytes())
    }

    /// A second screen of this terminal, as pagers use it: what the first one shows comes back when this is dropped.
    ///
    /// # Errors
    /// As [`Ui::answer_bytes`].
    pub fn screen(self) -> Result<Screen, Failure> {
        // Made first: where only half was written, the rest is put right anyway.
        let screen = Screen(self);
        self.answer_bytes(b"\x1b[?1049h").map(|()| screen)
    }

    /// Waits so long, and says whether the reader of the answers went away meanwhile; a signal ends the wait early.
    pub fn loses_reader(self, within: Duration) -> bool {
        let (out, gone) = (std::io::stdout(), PollFlags::ERR | PollFlags::HUP);
        // Linux reports an end whatever is asked for, macOS only who waits to read.
        let mut waiting = [PollFd::new(&out, PollFlags::RDBAND)];
        let limit = Timespec::try_from(within).ok();
        match poll(&mut waiting, limit.as_ref()) {
            Ok(0) | Err(Errno::INTR) => false,
            Ok(_) if waiting[0].revents().intersects(gone) => true,
            // Not everything can be waited for.
            _ => {
                std::thread::sleep(within);
                false
            }
        }
    }

    /// Whether a line of the story could be written within so long, rather than wait for a reader who reads nothing.
    pub fn is_heard(self, within: Duration) -> bool {
        let err = std::io::stderr();
        let mut waiting = [PollFd::new(&err, PollFlags::OUT)];
        let limit = Timespec::try_from(within).ok();
        matches!(poll(&mut waiting, limit.as_ref()), Ok(ready) if ready > 0)
    }

    /// Whether answers go to a terminal on which the cursor can be moved.
    pub fn can_move(self, environment: &Environment) -> bool {
        let able = environment.text("TERM").is_some_and(|term| term != "dumb");
        able && std::io::stdout().is_terminal()
    }

    /// Whether the terminal that answers go to is another job's just now, as it is for one in the background.
    pub fn is_behind(self) -> bool {
        let front = rustix::termios::tcgetpgrp(std::io::stdout());
        front.is_ok_and(|front| front != rustix::process::getpgrp())
    }

    /// Asks for a yes or a no; none where there is no terminal to ask on. Anything but yes is no.
    pub fn confirm(self, question: &str) -> Option<bool> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let mut err = std::io::stderr().lock();
        // A closed stderr leaves nobody to ask; the answer is then no.
        let _ = write!(err, "{} [y/N] ", printable(question)).and_then(|()| err.flush());
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        Some(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// A page of Markdown as a terminal shows it, and whether it is longer than that; none when the answer goes into a file or a pipe.
    pub fn laid_out(self, markdown: &str) -> Option<(String, bool)> {
        let out = std::io::stdout();
        if !out.is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(&out).ok();
        let width = columns_of_terminal().map_or(WIDTH, |columns| columns.min(WIDEST));
        let coloured = anstream::AutoStream::choice(&out) != anstream::ColorChoice::Never;
        let text = render(markdown, Look { width, coloured });
        // The last line is the prompt's.
        let rows = size.map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 0);
        let is_long = rows.is_some_and(|rows| text.lines().count() >= rows);
        Some((text, is_long))
    }

    /// One step of the story.
    pub fn step(self, text: &str) {
        story(&printable(text));
    }

    /// One step that takes long.
    pub fn spin(self, text: &str) -> Spinner {
        self.step(text);
        let style =
            indicatif::ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("the template is well-formed");
        let spinner = indicatif::ProgressBar::new_spinner().with_style(style);
        spinner.enable_steady_tick(Duration::from_millis(100));
        Spinner(spinner)
    }

    /// A detail for `-v`.
    pub fn detail(self, text: &str) {
        if self.verbose {
            story(&format!("{}", printable(text).dimmed()));
        }
    }

    /// Something odd that does not stop silo.
    pub fn warn(self, text: &str) {
        story(&format!("{} {}", "Warning:".yellow().bold(), printable(text)));
    }

    /// A failure, at the end.
    pub fn fail(self, failure: &Failure) {
        story(&coloured(failure));
    }

    /// A line of the shell hook, which is returned as it was said; none where nothing is.
    pub fn hook(self, text: &str) -> Option<String> {
        let line = (!self.hook_silent && !self.quiet).then(|| self.framed(text))?;
        story(&line);
        Some(line)
    }

    /// A failure met by the shell hook.
    pub fn hook_failure(self, failure: &Failure, after: &str) {
        if !self.hook_silent {
            story(&format!("{}\n{}", coloured(failure), self.framed(after)));
        }
    }

    fn framed(self, text: &str) -> String {
        let (before, after) = self.log_format.unwrap_or(("silo: ", ""));
        format!("{before}{}{after}", printable(text))
    }

    /// The same, as the user's settings want it.
    #[must_use]
    pub fn set(self, settings: &UserSettings) -> Self {
        let (before, after) = settings.log_format.clone();
        // A process reads its settings once, and says its lines until it ends.
        Self { quiet: settings.quiet, log_format: Some((before.leak(), after.leak())), ..self }
    }
}

/// A line that moves while something takes long; on a terminal only, a plain line elsewhere. Gone when dropped.
#[derive(Debug)]
pub struct Spinner(indicatif::ProgressBar);

impl Spinner {
    /// How far it is, on a terminal.
    pub fn say(&self, text: &str) {
        self.0.set_message(printable(text));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A screen of its own on a terminal, until it is dropped.
#[derive(Debug)]
pub struct Screen(Ui);

impl Screen {
    /// Shows these lines in place of the last ones; what does not fit is counted in a last line.
    ///
    /// # Errors
    /// As [`Ui::answer_bytes`].
    pub fn show(&self, lines: &[Vec<Cell>]) -> Result<(), Failure> {
        let rows = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        let room = if rows < 3 { lines.len() } else { rows - 1 };
        let mut shown = lines[..lines.len().min(room)].to_vec();
        if lines.len() > room {
            let more = lines.len() - room + 1;
            shown.truncate(room - 1);
            shown.push(vec![Cell::new(&format!("… {more} more"), Tone::Faint)]);
        }
        self.0.answer_bytes(format!("\x1b[H\x1b[2J{}", painted(&shown)).as_bytes())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone has nothing to get back.
        let _ = self.0.answer_bytes(b"\x1b[?1049l");
    }
}

/// How writing an answer ended; a reader that went away is no error.
fn answered(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("Cannot write the answer to standard output: {}", reason(&error)))
                .hint("Only the answer is missing; what the command does is done"))
        }
        _ => Ok(()),
    }
}

/// How wide the terminal on stdout is; none when it does not say.
fn columns_of_terminal() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn painted(lines: &[Vec<Cell>]) -> String {
    let coloured = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let paint = |cell: &Cell| match cell.tone {
        _ if !coloured => cell.text.clone(),
        Tone::Plain => cell.text.clone(),
        Tone::Head => cell.text.bold().to_string(),
        Tone::Good => cell.text.green().to_string(),
        Tone::Busy => cell.text.cyan().to_string(),
        Tone::Bad => cell.text.red().to_string(),
        Tone::Faint => cell.text.dimmed().to_string(),
    };
    let line = |line: &Vec<Cell>| match coloured {
        true => line.iter().map(paint).collect(),
        false => columns::text(line),
    };
    lines.iter().map(|cells| line(cells) + "\n").collect()
}

fn coloured(failure: &Failure) -> String {
    let text = printable(&failure.to_string());
    let hints = text.replace("\nHint:", &format!("\n{}", "Hint:".cyan().bold()));
    format!("{} {hints}", "Error:".red().bold())
}

/// Writes a line to stderr in one go, so that lines of several processes do not mix; colours only on a terminal.
fn story(text: &str) {
    let mut line = text.to_owned();
    line.push('\n');
    let mut err = anstream::AutoStream::auto(std::io::stderr().lock());
    // A closed stderr leaves nobody to tell.
    let _ = err.write_all(line.as_bytes());
}
