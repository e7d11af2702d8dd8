//! Progress with rate and time left on a terminal; silence in pipes.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use weir_ingest::reader::ReadProgress;

const SIZED: &str = "  {bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const DOCUMENTS: &str = "  {bar:32} {pos} of {len} documents, {eta} left";
const ENDLESS: &str = "  {spinner} {bytes}, {bytes_per_sec}";

/// A bar over the bytes read.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts the bar.
    pub fn start(progress: &ReadProgress) -> Progress {
        let target = target();
        let (bar, template) = match progress.bytes_total {
            0 => (ProgressBar::with_draw_target(None, target), ENDLESS),
            total => (ProgressBar::with_draw_target(Some(total), target), SIZED),
        };
        // The templates are constants that parse.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress(bar.with_style(style))
    }

    /// Starts a bar over the documents to write.
    pub fn of_documents(total: u64) -> Progress {
        let style = ProgressStyle::with_template(DOCUMENTS).unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress(ProgressBar::with_draw_target(Some(total), target()).with_style(style))
    }

    /// Counts a document.
    pub fn count(&self) {
        self.0.inc(1);
    }

    /// Shows how far reading has come.
    pub fn show(&mut self, progress: &ReadProgress) {
        self.0.set_position(progress.bytes_read);
    }

    /// Takes the bar away: the report follows.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
