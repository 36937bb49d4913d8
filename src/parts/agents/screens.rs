//! Handing on what an agent prints: to a file or a pipe byte for byte, to a terminal without what would act on it.

use crate::core::agents::screen::Screen;
use crate::failure::Failure;
use crate::sys::attend::Stream;
use crate::ui::Ui;

/// Both streams of an agent, on their way to silo's own.
pub(super) struct Screens {
    ui: Ui,
    /// For each stream that is a terminal.
    filters: [Option<Screen>; 2],
}

impl Screens {
    /// With a filter for each of silo's streams that is a terminal.
    pub(super) fn new(ui: Ui) -> Self {
        let (out, err) = ui.terminals();
        Self { ui, filters: [out, err].map(|is_terminal| is_terminal.then(Screen::default)) }
    }

    /// Hands a piece on to the stream that it was printed to.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be written.
    pub(super) fn show(&mut self, stream: Stream, piece: &[u8]) -> Result<(), Failure> {
        let filter = &mut self.filters[usize::from(stream == Stream::Err)];
        let shown = filter.as_mut().map(|filter| filter.pass(piece));
        let piece = shown.as_deref().unwrap_or(piece);
        match stream {
            Stream::Out => self.ui.answer_bytes(piece),
            Stream::Err => self.ui.pass_on(piece),
        }
    }
}
