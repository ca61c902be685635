//! The few colours that are used.

use anstyle::{AnsiColor, Style};

/// What is printed in which style. Without colour every style renders to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Palette {
    pub(super) good: Style,
    pub(super) bad: Style,
    pub(super) skip: Style,
    pub(super) dim: Style,
    pub(super) removed: Style,
    pub(super) added: Style,
}

impl Palette {
    /// Styles for a terminal, or none at all.
    pub fn new(color: bool) -> Self {
        if !color {
            return Self::default();
        }
        Self {
            good: AnsiColor::Green.on_default().bold(),
            bad: AnsiColor::Red.on_default().bold(),
            skip: AnsiColor::Yellow.on_default(),
            dim: Style::new().dimmed(),
            removed: AnsiColor::Red.on_default(),
            added: AnsiColor::Green.on_default(),
        }
    }
}
