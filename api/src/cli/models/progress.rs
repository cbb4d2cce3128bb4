//! How a fetch is shown: one bar per package on a terminal, one line per step elsewhere. All on standard error.

use std::{
    collections::HashMap,
    io::{IsTerminal, Write as _},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use models::fetch::{Outcome, Progress};

use crate::cli::table::{Paint, bytes};

const BAR: &str =
    "{prefix:16} [{bar:28}] {decimal_bytes:>9} of {decimal_total_bytes:>9}  {decimal_bytes_per_sec:>11}  {wide_msg}";

/// Shows a fetch on standard error.
pub(super) struct Shown {
    /// Only on a terminal.
    bars: Option<MultiProgress>,
    by_name: Mutex<HashMap<String, ProgressBar>>,
    paint: Paint,
}

impl Shown {
    pub(super) fn new() -> Self {
        let live = std::io::stderr().is_terminal();
        let bars = live.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, by_name: Mutex::default(), paint: Paint::stderr() }
    }

    /// The bar of `name`, made when there is none. `None` where lines are written.
    fn bar(&self, name: &str) -> Option<ProgressBar> {
        let bars = self.bars.as_ref()?;
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = bars.add(ProgressBar::no_length().with_style(style).with_prefix(name.to_owned()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        };
        Some(by_name.entry(name.to_owned()).or_insert_with(make).clone())
    }

    fn line(&self, text: &str) {
        let shown = match &self.bars {
            Some(bars) => bars.println(text),
            None => writeln!(std::io::stderr(), "{text}"),
        };
        // Standard error is closed: the fetch goes on all the same, and its exit code tells.
        drop(shown);
    }
}

impl Progress for Shown {
    fn start(&self, name: &str, size: u64) {
        match self.bar(name) {
            Some(bar) => bar.set_length(size),
            None => self.line(&format!("{name}: fetching {}", bytes(size))),
        }
    }

    fn advance(&self, name: &str, count: u64) {
        if let Some(bar) = self.bar(name) {
            bar.inc(count);
        }
    }

    fn message(&self, name: &str, text: &str) {
        match self.bar(name) {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.line(&format!("{name}: {text}")),
        }
    }

    fn done(&self, name: &str, outcome: Outcome) {
        let bar = self.by_name.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        if outcome == Outcome::Installed {
            self.line(&format!("{} {name}: fetched, verified, in place", self.paint.green("✓")));
        }
    }
}
