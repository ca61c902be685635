//! The project's own cases, one test each.

use std::process::ExitCode;

fn main() -> ExitCode {
    belljar::test_main("test-cases")
}
