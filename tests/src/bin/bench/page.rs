//! The page with the figures.

use std::{
    fmt::Write,
    fs,
    path::Path,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use rig::{Daemon, Times};

use crate::{
    Scale, plot,
    result::{Row, Section, Table},
    version_of,
};

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo xtask bench`. xvrrp and keepalived run in turn on the same work, in network
namespaces on one machine: client, bridge and both hosts share its processors. A figure is the
median of all runs, with the smallest, the largest and the number of runs in brackets. The daemons are not tied to
processors: a thread of SCHED_DEADLINE may not be. keepalived runs with its default settings, and
without syslog, which would slow it down.

";

const QUICK: &str = "\
**Few and short runs (`--quick`): these figures show that the measurement works, nothing more.**

";

const NOISY: &str = "\
**Rows with a ⚠ were taken while other work used more than 15 % of the processors: the machine was
not quiet.**

";

/// Writes the page, and its plots to the folder of the same name.
///
/// # Errors
/// A file cannot be written, or a plot cannot be drawn.
pub(crate) fn write(path: &Path, scale: Scale, sections: &[Section]) -> Result<()> {
    let folder = path.with_extension("");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut page = INTRODUCTION.to_owned() + &circumstances()?;
    if scale == Scale::Quick {
        page += QUICK;
    }
    let rows = sections.iter().flat_map(|section| &section.tables).flat_map(|table| &table.rows);
    if rows.into_iter().any(|row| !row.is_quiet()) {
        page += NOISY;
    }
    for section in sections {
        // Writing to a string does not fail.
        let _ = write!(page, "## {}\n\n{}\n\n", section.title, section.text);
        for (number, table) in (1..).zip(&section.tables) {
            let plot = format!("{}-{number}.svg", section.name);
            save(&folder.join(&plot), &plot::picture(table)?)?;
            let text = text(table);
            let _ = write!(
                page,
                "### {}\n\n{text}\n![{}]({name}/{plot})\n\n",
                table.title, table.title
            );
        }
    }
    save(path, &format!("{}\n", page.trim_end()))?;
    eprintln!("written: {} and {}", path.display(), folder.display());
    Ok(())
}

fn save(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// When and where.
fn circumstances() -> Result<String> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let processors = thread::available_parallelism()?;
    let ours = version_of(&Daemon::Xvrrp.program()?)?;
    let theirs = version_of(&Daemon::Keepalived.program()?)?;
    Ok(format!(
        "{year}-{month:02}-{day:02}, Linux {}, {processors} processors; {ours}; {theirs}\n\n",
        kernel.trim()
    ))
}

/// Year, month and day, so many days after 1970-01-01 in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

/// A table in Markdown.
fn text(table: &Table) -> String {
    let [first, second] = table.subjects;
    let unit = if table.unit.is_empty() { String::new() } else { format!(", {}", table.unit) };
    let mut text = format!("| | {first}{unit} | {second}{unit} |");
    text += if table.ratio { " ratio | foreign load |\n" } else { " foreign load |\n" };
    text += if table.ratio { "|---|---|---|---|---|\n" } else { "|---|---|---|---|\n" };
    for row in &table.rows {
        let [first, second] = row.figures.each_ref().map(|times| figure(times.as_ref()));
        let _ = write!(text, "| {}{} | {first} | {second} |", row.work, mark(row));
        if table.ratio {
            let ratio = row.ratio().map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"));
            let _ = write!(text, " {ratio} |");
        }
        let _ = writeln!(text, " {:.0} % |", row.foreign * 100.0);
    }
    text
}

fn mark(row: &Row) -> &'static str {
    if row.is_quiet() { "" } else { " ⚠ machine not quiet" }
}

fn figure(times: Option<&Times>) -> String {
    let number = |value: f64| match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    times.map_or_else(
        || "-".into(),
        |times| {
            let [min, median, max] = [times.min(), times.median(), times.max()].map(number);
            match times.iter().count() {
                1 => format!("{median} (1)"),
                runs => format!("{median} ({min} … {max}, {runs})"),
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 4, bench: the page says on which day its figures were taken.
    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_453), (2025, 12, 31));
        assert_eq!(date(20_454), (2026, 1, 1));
    }

    /// Issue 4, bench: medians with their range, the ratio, and a mark where the machine was busy.
    #[test]
    fn a_row_shows_medians_ratio_and_noise() {
        let times = |values: &[f64]| Some(Times::new(values.iter().copied()));
        let figures = [times(&[1.0, 2.0, 30.0]), times(&[400.0])];
        let row = Row { work: "50 x 10 ms".into(), figures, foreign: 0.2 };
        let table = Table {
            title: "T".into(),
            unit: "ms",
            subjects: ["a", "b"],
            ratio: true,
            logarithmic: true,
            rows: vec![row],
        };
        let text = text(&table);
        let expected = "| 50 x 10 ms ⚠ machine not quiet | 2.00 (1.00 … 30.0, 3) | 400 (1) \
                        | 0.005 | 20 % |";
        assert_eq!(text.lines().nth(2), Some(expected));
        let svg = plot::picture(&table).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("50 x 10 ms"), "{svg}");
    }
}
