//! Configuration text and places in it.

use std::fmt;

/// One file of a configuration, in the order of reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u16);

/// A range of bytes in the decoded text of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// The byte behind the last one.
    pub end: u32,
}

impl Span {
    /// From this place to the end of `last`, which stands in the same file.
    #[must_use]
    pub const fn to(self, last: Self) -> Self {
        Self { end: last.end, ..self }
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
}

#[derive(Clone, Debug)]
struct File {
    name: String,
    text: String,
    /// The bytes were no UTF-8, each became the character of the same number.
    eight_bit: bool,
    /// Where each line begins.
    lines: Vec<u32>,
}

impl Sources {
    /// Keeps a file. Text that is not UTF-8 is read as ISO 8859-1, so that every byte is exactly one
    /// column and [`Self::encode`] can give it back.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> FileId {
        let (text, eight_bit) = match str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (bytes.iter().map(|&byte| char::from(byte)).collect(), true),
        };
        let newlines = text.bytes().zip(1..).filter(|&(byte, _)| byte == b'\n');
        let lines = std::iter::once(0).chain(newlines.map(|(_, next)| next)).collect();
        let id = FileId(u16::try_from(self.files.len()).unwrap_or(u16::MAX));
        self.files.push(File { name: name.to_owned(), text, eight_bit, lines });
        id
    }

    /// Name of a file as the user gave it.
    pub fn name(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.name)
    }

    /// Decoded text of a file.
    pub fn text(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.text)
    }

    /// Text of a place.
    pub fn excerpt(&self, span: Span) -> &str {
        self.text(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Where a span begins and where it ends; the end is the column behind its last character.
    pub fn positions(&self, span: Span) -> (Position, Position) {
        (self.position(span.file, span.start), self.position(span.file, span.end))
    }

    /// Byte range of the lines that a span touches, without the last line's end.
    pub(super) fn lines_of(&self, span: Span) -> std::ops::Range<usize> {
        let text = self.text(span.file);
        let (start, end) = (span.start as usize, span.end as usize);
        let from = text.get(..start).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
        let to = text.get(end..).and_then(|tail| tail.find('\n')).map_or(text.len(), |at| end + at);
        from..to
    }

    /// The bytes that stood in the file for `text`, a piece of its decoded text.
    pub(super) fn encode(&self, file: FileId, text: &str) -> Vec<u8> {
        if self.file(file).is_some_and(|file| file.eight_bit) {
            text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
        } else {
            text.as_bytes().to_vec()
        }
    }

    fn position(&self, id: FileId, offset: u32) -> Position {
        let Some(file) = self.file(id) else {
            return Position { line: 1, column: 1 };
        };
        let line = file.lines.partition_point(|&start| start <= offset).max(1);
        let start = file.lines.get(line - 1).copied().unwrap_or(0);
        let before = file.text.get(start as usize..offset as usize).unwrap_or("");
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { line: count(line), column: count(before.chars().count() + 1) }
    }

    fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(usize::from(id.0))
    }
}
