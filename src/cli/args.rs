//! What can be written on the command line. Each subcommand's arguments stand in its own file.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::clean::CleanArgs;
use super::doctor::DoctorArgs;
use super::rootfs::RootfsArgs;
use super::run::RunArgs;
use super::shell::ShellArgs;

/// Run shell scripts in sealed, freshly namespaced Linux sandboxes, judge them,
/// and prove the isolation.
#[derive(Debug, Parser)]
#[command(name = "belljar", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands: a variant here, an arm in `dispatch`, a file beside this one.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<RunArgs>),
    Rootfs(RootfsArgs),
    Shell(ShellArgs),
    Doctor(DoctorArgs),
    Clean(CleanArgs),
}

/// What every subcommand understands.
#[expect(clippy::doc_markdown, reason = "the comments are the help text")]
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Whether to use colours; `auto` does on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) color: Color,

    /// Never use the network: root filesystems come from the store or from this machine
    #[arg(
        long,
        global = true,
        env = "BELLJAR_OFFLINE",
        hide_env_values = true,
        value_parser = BoolishValueParser::new()
    )]
    pub(crate) offline: bool,

    /// The folder that keeps root filesystems [default: /var/lib/belljar for root, else
    /// belljar in the XDG cache]
    #[arg(long, global = true, value_name = "DIR", env = "BELLJAR_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether what goes to `stream` is coloured.
    pub(crate) fn on(self, stream: &impl IsTerminal) -> bool {
        let wish = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            // https://no-color.org: set and not empty, whatever the value.
            Self::Auto => {
                stream.is_terminal()
                    && wish("NO_COLOR").is_none()
                    && wish("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
