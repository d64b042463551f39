//! Configuration text and places in it.

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// One file of a configuration, in the order of reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u16);

/// A range of bytes in the decoded text of one file.
///
/// What a variable or a loop produces has the place where it is used; [`Sources::origin`] tells where
/// it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// The byte behind the last one.
    pub end: u32,
    /// Number of the origin, from 1; 0 for what was written at this very place.
    pub(super) origin: u32,
}

impl Span {
    /// A place at which something was written.
    pub(super) const fn written(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end, origin: 0 }
    }

    /// From this place to the end of `last`, if that stands in the same file behind it.
    #[must_use]
    pub const fn to(self, last: Self) -> Self {
        let end =
            if self.file.0 == last.file.0 && last.end > self.end { last.end } else { self.end };
        let origin = if self.origin == 0 { last.origin } else { self.origin };
        Self { end, origin, ..self }
    }

    /// The same place once its files have been appended to others.
    pub(super) const fn moved(self, by: Shift) -> Self {
        let origin = if self.origin == 0 { 0 } else { self.origin.saturating_add(by.origins) };
        Self { file: FileId(self.file.0.saturating_add(by.files)), origin, ..self }
    }
}

/// A [`Span`] in the model, for messages. What a configuration means does not depend on it: any two
/// are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place(pub Span);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self(span)
    }
}

impl From<Place> for Span {
    fn from(place: Place) -> Self {
        place.0
    }
}

/// By how much places move when files are appended to others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    files: u16,
    origins: u32,
}

/// A place for a reader: both numbers count from 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The files that were read, kept for messages.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<File>,
    origins: Vec<Span>,
    /// Numbers of the origins, so that a loop does not make new ones each time.
    numbers: HashMap<Span, u32>,
}

#[derive(Clone, Debug)]
struct File {
    name: String,
    text: Arc<str>,
    /// The bytes were no UTF-8, each became the character of the same number.
    eight_bit: bool,
    /// How many lines have ended before each [`STRIDE`] of the text.
    lines: Vec<u32>,
}

/// Bytes between two marks of the line count: a number for every line would need more room than the
/// text.
const STRIDE: usize = 4096;

impl Sources {
    /// Keeps a file. Text that is not UTF-8 is read as ISO 8859-1, so that every byte is exactly one
    /// column and [`Self::encode`] can give it back.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> FileId {
        let (text, eight_bit): (Arc<str>, bool) = match str::from_utf8(bytes) {
            Ok(text) => (text.into(), false),
            Err(_) => (bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into(), true),
        };
        let ended = text.as_bytes().chunks(STRIDE).scan(0, |sum, chunk| {
            let before = *sum;
            *sum += count(newlines(chunk));
            Some(before)
        });
        let lines = ended.collect();
        let id = FileId(u16::try_from(self.files.len()).unwrap_or(u16::MAX));
        self.files.push(File { name: name.to_owned(), text, eight_bit, lines });
        id
    }

    /// Adds the files of another configuration. Returns by how much their spans move.
    pub(super) fn append(&mut self, other: &Self) -> Shift {
        let files = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        let by = Shift { files, origins: count(self.origins.len()) };
        self.files.extend_from_slice(&other.files);
        self.origins.extend(other.origins.iter().map(|origin| origin.moved(by)));
        by
    }

    /// Name of a file as the user gave it; of an included one, as it was found from there.
    pub fn name(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.name)
    }

    /// Decoded text of a file.
    pub fn text(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.text)
    }

    /// The same, to be read while files are added.
    pub(super) fn share(&self, file: FileId) -> Arc<str> {
        self.file(file).map_or_else(|| Arc::from(""), |file| Arc::clone(&file.text))
    }

    /// Text of a place.
    pub fn excerpt(&self, span: Span) -> &str {
        self.text(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Where a span begins and where it ends; the end is the column behind its last character.
    pub fn positions(&self, span: Span) -> (Position, Position) {
        (self.position(span.file, span.start), self.position(span.file, span.end))
    }

    /// Where the text was written that a variable or loop has brought to this place: in its
    /// definition. `None` for text that stands at its place.
    pub fn origin(&self, span: Span) -> Option<Span> {
        self.origins.get((span.origin as usize).checked_sub(1)?).copied()
    }

    /// The place `used`, with a note of where its text was written.
    pub(super) fn with_origin(&mut self, used: Span, written: Span) -> Span {
        let next = count(self.origins.len() + 1);
        let origin = *self.numbers.entry(written).or_insert(next);
        if origin == next {
            self.origins.push(written);
        }
        Span { origin, ..used }
    }

    /// Line in which a span begins, from 1. However long the line is, this takes no longer.
    pub(super) fn line(&self, span: Span) -> u32 {
        self.line_at(span.file, span.start)
    }

    /// What stands in front of a span on its line; `None` if that is more than [`STRIDE`] bytes.
    pub(super) fn before(&self, span: Span) -> Option<&str> {
        let text = self.text(span.file).get(..span.start as usize)?;
        let near = text.ceil_char_boundary(text.len().saturating_sub(STRIDE));
        match text[near..].rfind('\n') {
            Some(at) => Some(&text[near + at + 1..]),
            None => Some(text).filter(|_| near == 0),
        }
    }

    /// Byte range of the lines that a span touches, without the last line's end.
    pub(super) fn lines_of(&self, span: Span) -> std::ops::Range<usize> {
        let text = self.text(span.file);
        let (start, end) = (span.start as usize, span.end as usize);
        let from = text.get(..start).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
        let to = text.get(end..).and_then(|tail| tail.find('\n')).map_or(text.len(), |at| end + at);
        from..to
    }

    /// The bytes that stood for `text`, decoded text of a span, in the file where it was written.
    pub(super) fn encode(&self, span: Span, text: &str) -> Vec<u8> {
        let Span { file, .. } = self.origin(span).unwrap_or(span);
        if self.file(file).is_some_and(|file| file.eight_bit) {
            text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
        } else {
            text.as_bytes().to_vec()
        }
    }

    /// Offset in `text`, a piece of a file, behind its first `octets` bytes of the file; `None` if it
    /// is not longer.
    pub(super) fn behind(&self, file: FileId, text: &str, octets: usize) -> Option<usize> {
        if text.len() <= octets {
            None
        } else if self.file(file).is_some_and(|file| file.eight_bit) {
            text.char_indices().nth(octets).map(|(at, _)| at)
        } else {
            Some(text.floor_char_boundary(octets))
        }
    }

    fn position(&self, id: FileId, offset: u32) -> Position {
        let text = self.text(id);
        let before = &text[..text.floor_char_boundary(offset as usize)];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = count(before[start..].chars().count() + 1);
        Position { line: self.line_at(id, offset), column }
    }

    fn line_at(&self, id: FileId, offset: u32) -> u32 {
        let Some(file) = self.file(id) else {
            return 1;
        };
        let offset = (offset as usize).min(file.text.len());
        let mark = (offset / STRIDE).min(file.lines.len().saturating_sub(1));
        let ended = file.lines.get(mark).copied().unwrap_or(0);
        ended + count(newlines(&file.text.as_bytes()[mark * STRIDE..offset])) + 1
    }

    fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(usize::from(id.0))
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// Files are limited to less than this can hold.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
