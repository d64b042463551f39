//! The timeline as text.

use std::fmt::Write;

use rig::Times;

use crate::timeline::{TOLERANCE_MS, Timeline};

/// Columns between the last advert and the end of the picture.
const WIDTH: usize = 40;

/// A row for each event: where it is on the way from the last advert to the end, and its times.
pub(crate) fn picture(timeline: &Timeline) -> String {
    let mut text = String::new();
    let numbers = if timeline.runs == 1 { 14 } else { 27 };
    let mut row = |name: &str, at: Option<f64>, line: char, end: char, last: &str, cut: &str| {
        let mark = at.map(|ms| {
            let way = column(timeline, ms);
            line.to_string().repeat(way) + &end.to_string()
        });
        let mark = mark.unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<16}{mark:<WIDTH$}{last:>numbers$}{cut:>numbers$}");
    };
    row("ms after", None, ' ', ' ', "last advert", "cut");
    if timeline.runs > 1 {
        let columns = "min / median / max";
        row("", None, ' ', ' ', columns, columns);
    }
    for event in &timeline.events {
        let (last, cut) = (&event.from_last_advert, &event.from_cut);
        let at = Some(last.median());
        row(event.name, at, '─', '●', &shown(last), &shown(cut));
    }
    let last = format!("{:.1}", timeline.limit_ms);
    let cut = shown(&timeline.limit_from_cut());
    row("limit", Some(timeline.limit_ms), ' ', '┊', &last, &cut);
    text + &verdicts(timeline)
}

/// How many runs kept the limit, event by event.
fn verdicts(timeline: &Timeline) -> String {
    let mut text = format!(
        "\n  Limit: 3 x advert_int + skew = {:.1} ms after the last advert, tolerance {TOLERANCE_MS} ms\n",
        timeline.limit_ms
    );
    for event in timeline.takeovers() {
        let kept = event.from_last_advert.within(timeline.limit_ms + TOLERANCE_MS);
        let over = event.from_last_advert.max() - timeline.limit_ms;
        let (name, runs) = (event.name, timeline.runs);
        let _ = writeln!(
            text,
            "  {name:<16}{kept} of {runs} within the limit + {TOLERANCE_MS} ms, latest {over:+.2} ms from the limit"
        );
    }
    text
}

/// Column of a time after the last advert.
fn column(timeline: &Timeline, ms: f64) -> usize {
    let share = (ms / timeline.end_ms()).clamp(0.0, 1.0);
    (share * (WIDTH - 1) as f64).round() as usize
}

fn shown(times: &Times) -> String {
    if times.iter().count() == 1 {
        format!("{:.1}", times.median())
    } else {
        format!("{:.1} / {:.1} / {:.1}", times.min(), times.median(), times.max())
    }
}
