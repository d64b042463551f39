//! The timeline as a picture: the whole way on the left, the moments around the limit on the right.

use std::fmt::{Display, Write};

use crate::timeline::{TOLERANCE_MS, Timeline};

const WIDTH: f64 = 960.0;
const TOP: f64 = 84.0;
const ROW: f64 = 34.0;
const LABELS: f64 = 140.0;
const GAP: f64 = 60.0;
/// The zoomed part begins this long before the limit and ends after the tolerance, ms.
const ZOOM_BEFORE_MS: f64 = 5.0;
const ZOOM_AFTER_MS: f64 = TOLERANCE_MS + 5.0;

const INK: &str = "#222222";
const FAINT: &str = "#bbbbbb";
const LIMIT: &str = "#c0392b";
const PATIENCE: &str = "#fbe3df";
const DOT: &str = "#1f77b4";

/// An SVG document; a dot for each event of each run. `summary` stands below the title.
pub(crate) fn picture(timeline: &Timeline, summary: &str) -> String {
    let height = TOP + ROW * timeline.events.len() as f64 + 56.0;
    let mut canvas = Canvas::default();
    let runs =
        if timeline.runs == 1 { "one run".into() } else { format!("{} runs", timeline.runs) };
    canvas.text(20.0, 28.0, 18, Anchor::Start, INK, &"Failover as the client saw it");
    canvas.text(20.0, 48.0, 12, Anchor::Start, INK, &format!("{summary}; {runs}"));
    for (row, event) in timeline.events.iter().enumerate() {
        canvas.text(LABELS - 12.0, row_y(row) + 4.0, 12, Anchor::End, INK, &event.name);
    }
    let middle = LABELS + (WIDTH - LABELS - GAP) * 0.58;
    let whole = Axis { left: LABELS, right: middle, from: 0.0, to: timeline.end_ms() * 1.04 };
    let zoom = Axis {
        left: middle + GAP,
        right: WIDTH - 30.0,
        from: timeline.limit_ms - ZOOM_BEFORE_MS,
        to: timeline.limit_ms + ZOOM_AFTER_MS,
    };
    for axis in [whole, zoom] {
        panel(&mut canvas, timeline, axis);
    }
    let caption = format!("ms after the last advert; limit {:.1} ms", timeline.limit_ms);
    canvas.text(whole.left, height - 14.0, 12, Anchor::Start, INK, &caption);
    let caption = format!("around the limit; shaded: tolerance of {TOLERANCE_MS} ms");
    canvas.text(zoom.left, height - 14.0, 12, Anchor::Start, INK, &caption);
    canvas.document(WIDTH, height)
}

/// A stretch of time and where it is drawn.
#[derive(Clone, Copy)]
struct Axis {
    left: f64,
    right: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Position of a time; `None` outside.
    fn x(self, ms: f64) -> Option<f64> {
        let share = (ms - self.from) / (self.to - self.from);
        (0.0..=1.0).contains(&share).then_some(self.left + share * (self.right - self.left))
    }

    /// Round times, about six.
    fn ticks(self) -> impl Iterator<Item = f64> {
        let raw = (self.to - self.from) / 6.0;
        let magnitude = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
        let step = step.into_iter().find(|step| *step >= raw).unwrap_or(raw);
        let first = (self.from / step).ceil() * step;
        (0..).map(move |n| first + f64::from(n) * step).take_while(move |tick| *tick <= self.to)
    }
}

fn panel(canvas: &mut Canvas, timeline: &Timeline, axis: Axis) {
    let bottom = row_y(timeline.events.len()) - ROW / 2.0;
    let tolerated = axis.x(timeline.limit_ms + TOLERANCE_MS).unwrap_or(axis.right);
    if let Some(limit) = axis.x(timeline.limit_ms) {
        canvas.bar(limit, TOP - 12.0, tolerated - limit, bottom - TOP + 12.0, PATIENCE);
    }
    for tick in axis.ticks() {
        if let Some(x) = axis.x(tick) {
            canvas.line((x, bottom), (x, bottom + 5.0), INK);
            canvas.text(x, bottom + 18.0, 11, Anchor::Middle, INK, &format!("{tick:.0}"));
        }
    }
    canvas.line((axis.left, bottom), (axis.right, bottom), INK);
    for (row, event) in timeline.events.iter().enumerate() {
        canvas.line((axis.left, row_y(row)), (axis.right, row_y(row)), FAINT);
        for x in event.from_last_advert.iter().filter_map(|ms| axis.x(ms)) {
            canvas.dot(x, row_y(row));
        }
    }
    if let Some(limit) = axis.x(timeline.limit_ms) {
        canvas.line((limit, TOP - 12.0), (limit, bottom), LIMIT);
        canvas.text(limit, TOP - 16.0, 11, Anchor::Middle, LIMIT, &"limit");
    }
}

/// Height of the middle of a row.
fn row_y(row: usize) -> f64 {
    TOP + ROW * (row as f64 + 0.5)
}

/// Which end of a text is at its position.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// SVG elements in the order in which they are painted.
#[derive(Default)]
struct Canvas {
    elements: String,
}

impl Canvas {
    fn text(&mut self, x: f64, y: f64, size: u8, anchor: Anchor, colour: &str, text: &dyn Display) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.to_string().replace('&', "&amp;").replace('<', "&lt;");
        self.element(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{text}</text>"#
        ));
    }

    fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) {
        self.element(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}"/>"#
        ));
    }

    fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        self.element(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        ));
    }

    fn dot(&mut self, x: f64, y: f64) {
        self.element(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{DOT}" fill-opacity="0.6"/>"#
        ));
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.elements, "  {element}");
    }

    fn document(&self, width: f64, height: f64) -> String {
        let elements = &self.elements;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\">\n  <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             {elements}</svg>\n"
        )
    }
}
