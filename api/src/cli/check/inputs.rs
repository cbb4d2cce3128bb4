//! What the arguments of `check` stand for: texts, pictures, folders of pictures, lines of a file. Read as a stream, so that a
//! file of any size needs little memory; what cannot be read is a [`Found`] of its own and the rest goes on.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::Deserialize;

/// Longest line that is read, in bytes: far above any text that the pipeline accepts.
const MAX_LINE_BYTES: u64 = 1 << 20;
const PICTURES: [&str; 9] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "jfif"];

/// One thing to judge, or one that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Path, `path:line`, or `text`.
    pub(super) source: String,
    pub(super) what: Result<Thing, String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Text(Line),
    Picture(Bytes),
}

/// One line of a JSONL file. Other fields are ignored: exports carry more than we need.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Line {
    pub(super) text: String,
    #[serde(default)]
    pub(super) id: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) actor: Option<String>,
    #[serde(default)]
    pub(super) conversation: Option<String>,
}

/// What one argument stands for, decided before anything is read, so that a mistake costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    Text(String),
    Picture(PathBuf),
    Folder(PathBuf),
    Jsonl(PathBuf),
    Stdin,
}

impl Input {
    /// A dash is standard input, what exists on disk is a file or folder, everything else is the text itself, unless it looks
    /// so much like a path that checking the path's name would be a trap.
    pub(super) fn of(argument: &str) -> Result<Self, String> {
        if argument == "-" {
            return Ok(Self::Stdin);
        }
        let path = Path::new(argument);
        let extension =
            path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
        let is_picture = PICTURES.contains(&extension.as_str());
        let is_lines = matches!(extension.as_str(), "jsonl" | "ndjson");
        match std::fs::metadata(path) {
            Ok(data) if data.is_dir() => Ok(Self::Folder(path.into())),
            Ok(_) if is_lines => Ok(Self::Jsonl(path.into())),
            Ok(_) if is_picture => Ok(Self::Picture(path.into())),
            Ok(_) => Err(format!(
                "`{argument}` is neither a picture nor .jsonl: pass a picture of any name with --image, lines of text with `-` (standard input)"
            )),
            Err(_) if (is_picture || is_lines) && !argument.contains(char::is_whitespace) => {
                Err(format!("there is no file `{argument}`; to check these words as a text, use --text"))
            }
            Err(_) => Ok(Self::Text(argument.to_owned())),
        }
    }

    /// Hands out everything that the input holds, in order, until `give` answers `false`. Blocking.
    pub(super) fn read(&self, max_picture_bytes: usize, give: &mut dyn FnMut(Found) -> bool) -> bool {
        match self {
            Self::Text(text) => give(Found {
                source: "text".into(),
                what: Ok(Thing::Text(Line { text: text.clone(), ..Line::default() })),
            }),
            Self::Picture(path) => give(picture(path, max_picture_bytes)),
            Self::Folder(folder) => read_folder(folder, max_picture_bytes, give),
            Self::Jsonl(path) => match File::open(path) {
                Ok(file) => read_lines(&path.display().to_string(), BufReader::new(file), false, give),
                Err(error) => give(Found { source: path.display().to_string(), what: Err(error.to_string()) }),
            },
            Self::Stdin => read_lines("stdin", std::io::stdin().lock(), true, give),
        }
    }

    /// How many things it holds, when that is cheap to know; a folder and standard input tell as they go.
    pub(super) fn count_hint(&self) -> u64 {
        match self {
            Self::Text(_) | Self::Picture(_) => 1,
            Self::Folder(folder) => pictures_below(folder).len() as u64,
            Self::Jsonl(path) => File::open(path).map_or(0, |file| BufReader::new(file).split(b'\n').count() as u64),
            Self::Stdin => 0,
        }
    }
}

/// Reads one byte more than is allowed at most: the pipeline then refuses it by its own rule, and memory stays small.
fn picture(path: &Path, max_bytes: usize) -> Found {
    let read = || -> std::io::Result<Bytes> {
        let mut bytes = Vec::new();
        File::open(path)?.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    };
    Found { source: path.display().to_string(), what: read().map(Thing::Picture).map_err(|error| error.to_string()) }
}

/// Every picture below `folder`, sorted by path; links to folders are not followed, so that a loop ends.
fn pictures_below(folder: &Path) -> Vec<Result<PathBuf, (PathBuf, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                found.push(Err((folder, error.to_string())));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let extension =
                path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(_) if PICTURES.contains(&extension.as_str()) => found.push(Ok(path)),
                _ => {}
            }
        }
    }
    found.sort_by(|a, b| path_of(a).cmp(path_of(b)));
    found
}

fn path_of(found: &Result<PathBuf, (PathBuf, String)>) -> &Path {
    match found {
        Ok(path) | Err((path, _)) => path,
    }
}

fn read_folder(folder: &Path, max_bytes: usize, give: &mut dyn FnMut(Found) -> bool) -> bool {
    pictures_below(folder).into_iter().all(|found| match found {
        Ok(path) => give(picture(&path, max_bytes)),
        Err((path, error)) => give(Found { source: path.display().to_string(), what: Err(error) }),
    })
}

/// One JSON object per line; with `bare`, a line that does not begin with `{` is itself the text.
fn read_lines(name: &str, mut reader: impl BufRead, bare: bool, give: &mut dyn FnMut(Found) -> bool) -> bool {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let source = format!("{name}:{number}");
        match reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return give(Found { source, what: Err(error.to_string()) }),
        }
        let cut = bytes.len() as u64 == MAX_LINE_BYTES && !bytes.ends_with(b"\n");
        let what = if cut { Err(skip_line(&mut reader)) } else { parse(&bytes, bare) };
        match what {
            Ok(None) => {}
            Ok(Some(line)) => {
                if !give(Found { source, what: Ok(Thing::Text(line)) }) {
                    return false;
                }
            }
            Err(message) => {
                if !give(Found { source, what: Err(message) }) {
                    return false;
                }
            }
        }
    }
    true
}

/// Reads on to the end of a line that is too long, keeping nothing of it.
fn skip_line(reader: &mut impl BufRead) -> String {
    // A read error shows again, and is told, at the next line.
    let _ = reader.skip_until(b'\n');
    format!("the line is longer than {MAX_LINE_BYTES} bytes")
}

/// `None` for an empty line.
fn parse(bytes: &[u8], bare: bool) -> Result<Option<Line>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to() + 1))?;
    let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Ok(None);
    }
    if bare && !text.trim_start().starts_with('{') {
        return Ok(Some(Line { text: text.to_owned(), ..Line::default() }));
    }
    // The parser's own message quotes no content, it only names field, kind and column.
    serde_json::from_str(text).map(Some).map_err(|error| format!("not a JSON object with a `text`: {error}"))
}

/// Where results go: a file that appears only when complete, or standard output.
pub(super) enum Sink {
    Stdout(std::io::Stdout),
    File(tempfile::NamedTempFile, PathBuf),
}

impl Sink {
    pub(super) fn open(path: Option<&Path>) -> std::io::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout(std::io::stdout())) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self::File(tempfile::NamedTempFile::new_in(folder)?, path.to_path_buf()))
    }

    pub(super) fn write(&mut self, line: &str) -> std::io::Result<()> {
        match self {
            Self::Stdout(out) => out.write_all(line.as_bytes()),
            Self::File(file, _) => file.write_all(line.as_bytes()),
        }
    }

    pub(super) fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::File(file, path) => file.persist(path).map(drop).map_err(|error| error.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(input: &[u8], bare: bool) -> Vec<(String, Result<String, String>)> {
        let mut found = Vec::new();
        read_lines("f", input, bare, &mut |item| {
            found.push((
                item.source,
                item.what.map(|thing| match thing {
                    Thing::Text(line) => line.text,
                    Thing::Picture(_) => unreachable!("lines hold texts"),
                }),
            ));
            true
        });
        found
    }

    #[test]
    fn a_bad_line_is_told_with_its_number_and_the_rest_goes_on() {
        let found = collect(b"{\"text\":\"a\"}\n\n{oops\n\xff\xfe\n{\"txt\":1}\r\n{\"text\":\"b\",\"more\":1}", false);
        let short: Vec<(&str, Option<&str>)> = found.iter().map(|(s, w)| (s.as_str(), w.as_deref().ok())).collect();
        assert_eq!(short, [("f:1", Some("a")), ("f:3", None), ("f:4", None), ("f:5", None), ("f:6", Some("b"))]);
        assert_eq!(found[2].1.as_deref().unwrap_err(), "not UTF-8 at byte 1");
        assert!(found[3].1.as_deref().unwrap_err().contains("missing field `text`"));
    }

    #[test]
    fn bare_lines_are_texts_where_they_may_be() {
        assert_eq!(collect(b"hello\n", true), [("f:1".to_owned(), Ok("hello".to_owned()))]);
        assert!(collect(b"hello\n", false)[0].1.is_err());
    }

    #[test]
    fn a_line_without_end_costs_only_itself() {
        let mut bytes = vec![b'x'; 3 << 20];
        bytes.extend_from_slice(b"\n{\"text\":\"after\"}\n");
        let found = collect(&bytes, false);
        assert_eq!(found.len(), 2);
        assert!(found[0].1.as_deref().unwrap_err().contains("longer than"));
        assert_eq!(found[1], ("f:2".to_owned(), Ok("after".to_owned())));
    }

    #[test]
    fn arguments_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["a.JPG", "b.jsonl", "c.xyz"] {
            std::fs::write(path(name), "x").unwrap();
        }
        assert_eq!(Input::of("-"), Ok(Input::Stdin));
        assert_eq!(Input::of("hello there"), Ok(Input::Text("hello there".into())));
        assert_eq!(Input::of(&path("a.JPG")), Ok(Input::Picture(path("a.JPG").into())));
        assert_eq!(Input::of(&path("b.jsonl")), Ok(Input::Jsonl(path("b.jsonl").into())));
        assert_eq!(Input::of(&folder.path().display().to_string()), Ok(Input::Folder(folder.path().into())));
        assert!(Input::of(&path("c.xyz")).unwrap_err().contains("--image"));
        assert!(Input::of("missing.jpg").unwrap_err().contains("--text"));
    }

    #[test]
    fn a_folder_is_read_in_order_and_recursively() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["c.png", "b/x.jpg", "a.jpeg", "notes.txt"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let mut names = Vec::new();
        read_folder(folder.path(), 3, &mut |found| {
            assert_eq!(
                found.what,
                Ok(Thing::Picture(Bytes::copy_from_slice(&relative(&folder, &found.source).as_bytes()[..4])))
            );
            names.push(relative(&folder, &found.source));
            true
        });
        assert_eq!(names, ["a.jpeg", "b/x.jpg", "c.png"]);
    }

    fn relative(folder: &tempfile::TempDir, source: &str) -> String {
        Path::new(source).strip_prefix(folder.path()).unwrap().display().to_string()
    }
}
