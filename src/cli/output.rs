//! Writing to standard output and error without dying of a reader that left.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// A writer for which a closed pipe is no error: what is written after that is lost,
/// and the run goes on to its exit status.
#[derive(Debug)]
pub(crate) struct UntilClosed<W> {
    out: W,
    closed: bool,
}

impl<W: Write> UntilClosed<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, closed: false }
    }

    fn forgive<T>(&mut self, result: io::Result<T>, otherwise: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(otherwise)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let result = self.out.write(bytes);
        self.forgive(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let result = self.out.flush();
        self.forgive(result, ())
    }
}

/// Says something on standard error. Unlike `eprintln!` it does not panic when
/// nobody listens.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says on standard error what went wrong.
pub(crate) fn say_error(error: impl Display) {
    say(format_args!("error: {error}"));
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Write};

    use super::UntilClosed;

    struct Failing(ErrorKind, usize);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_is_left_alone() {
        let mut out = UntilClosed::new(Failing(ErrorKind::BrokenPipe, 0));
        for _ in 0..3 {
            out.write_all(b"text").unwrap();
            out.flush().unwrap();
        }
        assert_eq!(out.out.1, 1);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut out = UntilClosed::new(Failing(ErrorKind::StorageFull, 0));
        assert_eq!(out.write_all(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
