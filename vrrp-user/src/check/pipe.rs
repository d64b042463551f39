//! Output that may end early.

use std::io::{self, ErrorKind, Write};

/// Hands everything on until nobody reads it any more, as behind `check | head`.
pub(super) struct Pipe<W> {
    out: W,
    broken: bool,
}

impl<W: Write> Pipe<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, broken: false }
    }

    /// The result, or `instead` of a broken pipe.
    fn unless_broken<T>(&mut self, result: io::Result<T>, instead: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.broken = true;
                Ok(instead)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Ok(bytes.len());
        }
        let result = self.out.write(bytes);
        self.unless_broken(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let result = self.out.flush();
        self.unless_broken(result, ())
    }
}
