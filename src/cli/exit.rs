//! What the command exits with.

use std::process::ExitCode;

use crate::harness::run::Summary;

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    /// All went well.
    pub(crate) const SUCCESS: Self = Self(0);
    /// A case failed.
    pub(crate) const FAILED: Self = Self(1);
    /// Wrong usage, an invalid case, or no case.
    pub(crate) const USAGE: Self = Self(2);
    /// Some sandbox could not be set up.
    pub(crate) const SETUP: Self = Self(3);
    /// Belljar itself failed, where every other status may be that of a shell inside.
    pub(crate) const BELLJAR: Self = Self(125);

    /// This status.
    pub(crate) const fn new(status: u8) -> Self {
        Self(status)
    }

    /// Ended by a signal, as shells count it: 128 and its number.
    pub(crate) fn signal(number: i32) -> Self {
        Self(u8::try_from(128 + number).unwrap_or(u8::MAX))
    }

    /// The status of a run that came to its end.
    pub(crate) fn of_run(summary: &Summary) -> Self {
        if summary.errors > 0 {
            Self::SETUP
        } else if summary.failed > 0 {
            Self::FAILED
        } else {
            Self::SUCCESS
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::harness::run::Summary;

    use super::Exit;

    #[test]
    fn an_error_outweighs_a_failure() {
        let of = |failed, errors| {
            Exit::of_run(&Summary { passed: 5, failed, errors, ..Summary::default() })
        };
        assert_eq!(of(0, 0), Exit(0));
        assert_eq!(of(2, 0), Exit(1));
        assert_eq!(of(2, 1), Exit(3));
        assert_eq!(of(0, 1), Exit(3));
    }

    #[test]
    fn signals_count_from_128() {
        assert_eq!(Exit::signal(2), Exit(130));
        assert_eq!(Exit::signal(15), Exit(143));
    }
}
