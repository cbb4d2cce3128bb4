//! A folded text and its map back to the text as it was written.

use std::ops::Range;

/// A stretch of the folded text that came from one stretch of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// First byte in the folded text.
    byte: usize,
    /// First code point of the original.
    start: usize,
    /// One past the last code point of the original.
    end: usize,
    /// One byte per code point: places inside lead to places inside. Otherwise the segment is one whole.
    exact: bool,
}

/// A folded text and its map back to the original.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Normalised {
    text: String,
    /// Ascending by `byte`, never falling in `start`.
    segments: Vec<Segment>,
}

impl Normalised {
    /// A text of ASCII alone as it stands.
    pub(super) fn unchanged(ascii: &str) -> Self {
        debug_assert!(ascii.is_ascii());
        let whole = Segment { byte: 0, start: 0, end: ascii.len(), exact: true };
        Self { text: ascii.to_owned(), segments: if ascii.is_empty() { Vec::new() } else { vec![whole] } }
    }

    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), segments: Vec::new() }
    }

    /// Adds a character that came from the code points `from` of the original.
    pub(super) fn push(&mut self, character: char, from: Range<usize>) {
        let exact = character.is_ascii() && from.len() == 1;
        match self.segments.last_mut() {
            // A stretch of plain characters is one segment.
            Some(last) if exact && last.exact && last.end == from.start => last.end = from.end,
            // So is what came from the same place.
            Some(last) if !last.exact && (last.start, last.end) == (from.start, from.end) => {}
            _ => self.segments.push(Segment { byte: self.text.len(), start: from.start, end: from.end, exact }),
        }
        self.text.push(character);
    }

    /// The folded text: what models see.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Code points of the original that the bytes `range` of the folded text came from. Total: whatever lies outside
    /// the text is cut off, an empty or inverted range answers an empty one.
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        let (from, to) = (range.start.min(self.text.len()), range.end.min(self.text.len()));
        let start = self.place(from).0;
        if to <= from {
            return start..start;
        }
        start..self.place(to - 1).1.max(start)
    }

    /// First and one-past-last code point behind one byte; at the end of the text, where the original ends.
    fn place(&self, byte: usize) -> (usize, usize) {
        let index = self.segments.partition_point(|segment| segment.byte <= byte);
        let Some(segment) = index.checked_sub(1).map(|index| &self.segments[index]) else { return (0, 0) };
        if byte >= self.text.len() {
            return (segment.end, segment.end);
        }
        if segment.exact {
            let at = segment.start + (byte - segment.byte);
            return (at, at + 1);
        }
        (segment.start, segment.end)
    }

    /// This text with `edits` made, which are in text order and do not overlap. A replaced stretch leads back to all that it came from.
    pub(super) fn edited(&self, edits: &[Edit]) -> Self {
        let mut edited = Self::with_capacity(self.text.len());
        let mut at = 0;
        for edit in edits {
            edited.copy(self, at..edit.bytes.start);
            let from = self.original(edit.bytes.clone());
            for character in edit.with.chars() {
                edited.push_whole(character, from.clone());
            }
            at = edit.bytes.end;
        }
        edited.copy(self, at..self.text.len());
        edited
    }

    fn copy(&mut self, other: &Self, bytes: Range<usize>) {
        for (index, character) in other.text[bytes.clone()].char_indices() {
            let at = bytes.start + index;
            self.push(character, other.original(at..at + character.len_utf8()));
        }
    }

    /// As `push`, for a character of a replacement: no place of its own.
    fn push_whole(&mut self, character: char, from: Range<usize>) {
        match self.segments.last() {
            Some(last) if !last.exact && (last.start, last.end) == (from.start, from.end) => {}
            _ => self.segments.push(Segment { byte: self.text.len(), start: from.start, end: from.end, exact: false }),
        }
        self.text.push(character);
    }
}

/// A stretch of a folded text and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) bytes: Range<usize>,
    pub(super) with: String,
}

/// Places in UTF-16 of places in code points.
#[derive(Debug)]
pub struct Utf16 {
    /// Code points that take two units, ascending.
    wide: Vec<usize>,
}

impl Utf16 {
    /// Reads `text` once.
    pub fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self { wide: Vec::new() };
        }
        let wide = text.chars().enumerate().filter(|(_, character)| character.len_utf16() == 2);
        Self { wide: wide.map(|(index, _)| index).collect() }
    }

    /// The UTF-16 unit at which code point `index` begins.
    pub fn unit(&self, index: usize) -> usize {
        index + self.wide.partition_point(|wide| *wide < index)
    }
}
