//! Source texts and places in them.
//!
//! Every token, node and diagnostic carries a [`Span`]: a byte range in one of the files of a
//! [`SourceMap`]. Spans always point into the text the user wrote, never into preprocessed text.

/// Index of a file in a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A half-open byte range `start..end` in one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file the range is in.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of `start..end` in `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Span {
        Span { file, start: start as u32, end: end as u32 }
    }

    /// The smallest span that covers both; `self` alone when they are in different files.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A line and column, both counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One source text with the name it is shown under.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name in messages: a path, or `<input>` for a script given on the command line.
    pub name: String,
    /// The text as the user wrote it.
    pub text: String,
    line_starts: Vec<u32>,
    /// Lines at the beginning that the user did not write, and that are not counted.
    lines_before: u32,
}

impl SourceFile {
    /// The position of a byte offset.
    pub fn position(&self, offset: u32) -> Position {
        let line = self.line_starts.partition_point(|&start| start <= offset) - 1;
        let start = self.line_starts[line] as usize;
        let column = self.text.get(start..offset as usize).map_or(0, |t| t.chars().count());
        let line = (line as u32 + 1).saturating_sub(self.lines_before).max(1);
        Position { line, column: column as u32 + 1 }
    }

    /// The text of a line counted from 1, without its line break.
    pub fn line(&self, line: u32) -> &str {
        self.text.lines().nth((line + self.lines_before) as usize - 1).unwrap_or("")
    }
}

/// All texts of one compilation: the script, further `-E` scripts, the library files used.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Adds a text and returns its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let text = text.into();
        let mut line_starts = vec![0];
        line_starts.extend(text.match_indices('\n').map(|(at, _)| at as u32 + 1));
        self.files.push(SourceFile { name: name.into(), text, line_starts, lines_before: 0 });
        FileId(self.files.len() as u32 - 1)
    }

    /// Leaves the first lines of a text out of the count of lines: they stand around what the user wrote.
    pub fn set_lines_before(&mut self, id: FileId, lines: u32) {
        self.files[id.0 as usize].lines_before = lines;
    }

    /// The file of an id made by [`SourceMap::add`].
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files with their ids.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(i, f)| (FileId(i as u32), f))
    }

    /// The text under a span.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// `name:line:column` of the start of a span, the form used in run-time messages.
    pub fn locate(&self, span: Span) -> String {
        let file = self.file(span.file);
        let position = file.position(span.start);
        format!("{}:{}:{}", file.name, position.line, position.column)
    }
}
