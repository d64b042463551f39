//! What the demo says while it waits.

use std::{
    io::{IsTerminal, Write, stdout},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Between two steps of the counter.
const TICK: Duration = Duration::from_millis(100);

/// Starts a new part.
pub(crate) fn headline(text: &str) {
    println!("\n{text}\n{}", "─".repeat(text.chars().count()));
}

/// Calls `attempt` with a time to wait, again and again until it returns something, and shows that
/// time passes: as a counter on a terminal, else as one line at the start and one at the end.
///
/// # Errors
/// `attempt` failed, or nothing came within `limit`.
pub(crate) fn during<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl FnMut(Duration) -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    let terminal = stdout().is_terminal();
    if !terminal {
        println!("  {what} …");
    }
    loop {
        let found = attempt(TICK)?;
        let seconds = start.elapsed().as_secs_f64();
        if terminal {
            print!("\r\x1b[K  {what}, {seconds:.1} s …");
            stdout().flush()?;
        }
        if let Some(found) = found {
            let start_of_line = if terminal { "\r\x1b[K" } else { "" };
            println!("{start_of_line}  {what}: {seconds:.1} s");
            return Ok(found);
        }
        if start.elapsed() > limit {
            println!();
            bail!("{what}: nothing after {limit:.1?}");
        }
    }
}
