//! Text that knows where each of its bytes was written.

use std::{borrow::Cow, ops::Range};

use crate::source::{FileId, Sources, Span};

/// A line, or a part of one: as it stands in a file, or put together from several places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text<'a> {
    text: Cow<'a, str>,
    /// In the order of the text, the first one at 0.
    pieces: Vec<Piece>,
}

/// A part that was written in one go.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where it begins in the text.
    at: usize,
    /// Where it was written.
    written: Span,
    /// Byte by byte, so that a part of it has a place of its own.
    verbatim: bool,
    /// The variable in whose place it stands.
    used: Option<Span>,
}

impl Piece {
    /// Where some bytes of it were written, counted from its begin.
    fn part(&self, range: Range<usize>) -> Span {
        if !self.verbatim {
            return self.written;
        }
        let Span { file, start, .. } = self.written;
        Span::written(
            file,
            offset(start as usize + range.start),
            offset(start as usize + range.end),
        )
    }
}

impl<'a> Text<'a> {
    /// Text of a file that begins at `start`.
    pub(crate) fn written(file: FileId, start: usize, text: &'a str) -> Self {
        let written = Span::written(file, offset(start), offset(start + text.len()));
        let piece = Piece { at: 0, written, verbatim: true, used: None };
        Self { text: Cow::Borrowed(text), pieces: vec![piece] }
    }

    /// A value that nobody has written as it is, but that comes from a place.
    pub(crate) fn made(text: String, from: Span) -> Text<'static> {
        let piece = Piece { at: 0, written: from, verbatim: false, used: None };
        Text { text: Cow::Owned(text), pieces: vec![piece] }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim_matches(is_blank).is_empty()
    }

    /// Without blanks in front and behind.
    pub(crate) fn trimmed(&self) -> Text<'_> {
        let start = self.text.len() - self.text.trim_start_matches(is_blank).len();
        self.slice(start..self.text.trim_end_matches(is_blank).len().max(start))
    }

    /// A part. The range has to lie on borders of characters.
    pub(crate) fn slice(&self, range: Range<usize>) -> Text<'_> {
        let Some(text) = self.text.get(range.clone()) else {
            return Text::default();
        };
        // Most have one.
        let mut pieces = Vec::with_capacity(1);
        self.each_piece(range.clone(), |piece, part| {
            let at = piece.at + part.start - range.start;
            pieces.push(Piece { at, written: piece.part(part), ..*piece });
        });
        Text { text: Cow::Borrowed(text), pieces }
    }

    /// The same for ever.
    pub(crate) fn into_owned(self) -> Text<'static> {
        Text { text: Cow::Owned(self.text.into_owned()), pieces: self.pieces }
    }

    /// Adds a text. `used`: the place in which it stands now, and where that place was written.
    pub(crate) fn push(&mut self, other: &Text<'_>, used: Option<(Span, Span)>) {
        let end = self.text.len();
        for piece in &other.pieces {
            let at = end + piece.at;
            let moved = match used {
                None => Piece { at, ..*piece },
                // Inside of another variable: what counts is the outermost definition.
                Some((used, written)) if used != written => {
                    Piece { at, written, verbatim: false, used: Some(used) }
                }
                Some((used, _)) => Piece { at, used: Some(used), ..*piece },
            };
            self.pieces.push(moved);
        }
        self.text.to_mut().push_str(&other.text);
    }

    /// Adds the next line behind a `\` that stood at the end of this one.
    pub(crate) fn join(&mut self, next: &Text<'_>) {
        // The blank stands where the backslash was.
        self.text.to_mut().push(' ');
        self.push(next, None);
    }

    /// Where some bytes are used, and where they were written; the same unless a variable or loop is
    /// in between.
    pub(crate) fn places(&self, range: Range<usize>) -> (Span, Span) {
        let (mut used, mut written): (Option<Span>, Option<Span>) = (None, None);
        self.each_piece(range, |piece, part| {
            let origin = piece.part(part);
            let place = piece.used.unwrap_or(origin);
            used = Some(used.map_or(place, |first| first.to(place)));
            if piece.used.is_some() {
                let adjacent =
                    |first: &Span| first.file == origin.file && first.end == origin.start;
                written = Some(match written {
                    None => origin,
                    Some(first) if adjacent(&first) => first.to(origin),
                    Some(first) => first,
                });
            }
        });
        let used = used.unwrap_or_default();
        (used, written.unwrap_or(used))
    }

    /// Where some bytes are used, with a note of where they come from.
    pub(crate) fn span(&self, range: Range<usize>, sources: &mut Sources) -> Span {
        let (used, written) = self.places(range);
        if used == written { used } else { sources.with_origin(used, written) }
    }

    /// All of it.
    pub(crate) fn whole(&self, sources: &mut Sources) -> Span {
        let trimmed = self.trimmed();
        trimmed.span(0..trimmed.text.len(), sources)
    }

    /// Calls `visit` with each piece that has a part in the range, and with this part, counted from
    /// the begin of the piece. A range without bytes is a part of the piece that it touches.
    fn each_piece(&self, range: Range<usize>, mut visit: impl FnMut(&Piece, Range<usize>)) {
        let first = self.pieces.partition_point(|piece| piece.at <= range.start).saturating_sub(1);
        for (index, piece) in self.pieces.iter().enumerate().skip(first) {
            if piece.at >= range.end && index > first {
                break;
            }
            let end = self.pieces.get(index + 1).map_or(self.text.len(), |next| next.at);
            let part = range.start.max(piece.at)..range.end.min(end).max(range.start.max(piece.at));
            if part.is_empty() && !range.is_empty() {
                continue;
            }
            visit(piece, part.start - piece.at..part.end - piece.at);
        }
    }
}

/// Files are limited to less than a span can hold.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Blanks inside a line; the control characters separate words, too. Blanks of other scripts do not:
/// keepalived takes them for letters, so they have to be reported.
pub(crate) fn is_blank(c: char) -> bool {
    c == ' ' || c.is_ascii_control()
}
