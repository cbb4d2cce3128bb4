//! Text for a terminal: colours only where somebody sees them, columns that line up, content that cannot move the cursor.

use std::io::IsTerminal;

use console::{measure_text_width, truncate_str};

/// Colours, or none: decided once per stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output.
    pub(crate) fn stdout() -> Self {
        Self::decide(std::io::stdout().is_terminal())
    }

    /// For standard error.
    pub(crate) fn stderr() -> Self {
        Self::decide(std::io::stderr().is_terminal())
    }

    /// Never a colour: files, pipes, tests.
    pub(crate) fn plain() -> Self {
        Self { on: false }
    }

    /// `NO_COLOR` (any value but the empty one) switches colours off: <https://no-color.org>.
    fn decide(terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { on: terminal && !refused && !dumb }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// An action's name in the colour of its weight.
    pub(crate) fn action(self, action: &str, text: &str) -> String {
        match action {
            "allow" => self.green(text),
            "warn" | "blur" | "mute" | "review" => self.yellow(text),
            _ => self.red(text),
        }
    }
}

/// `text` as exactly `width` columns: cut with `…` or padded with blanks on the right.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let cut = truncate_str(text, width, "…");
    let blanks = width.saturating_sub(measure_text_width(&cut));
    format!("{cut}{}", " ".repeat(blanks))
}

/// [`fit`], cut at the beginning: for paths, whose end tells them apart.
pub(crate) fn fit_end(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return fit(text, width);
    }
    let fits = |start: &usize| measure_text_width(&text[*start..]) < width;
    let start = text.char_indices().map(|(start, _)| start).find(fits).unwrap_or(text.len());
    fit(&format!("…{}", &text[start..]), width)
}

/// [`fit`], padded on the left: for numbers.
pub(crate) fn fit_right(text: &str, width: usize) -> String {
    let cut = truncate_str(text, width, "…");
    let blanks = width.saturating_sub(measure_text_width(&cut));
    format!("{}{cut}", " ".repeat(blanks))
}

/// One line out of somebody's text: control characters become blanks (an escape sequence must not reach the terminal), runs of
/// blanks become one.
pub(crate) fn one_line(text: &str) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() || is_format(c) { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Direction overrides and their kin: they change how the rest of the line is shown.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns of a terminal, 120 where there is none.
pub(crate) fn columns() -> usize {
    console::Term::stdout().size_checked().map_or(120, |(_, columns)| usize::from(columns)).clamp(80, 200)
}

/// Rows with a heading, every column as wide as its widest cell; two blanks between columns, none at the end of a line.
pub(crate) fn rows(heading: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let width = |column: usize| {
        let cells =
            rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell)).max().unwrap_or(0);
        cells.max(measure_text_width(heading[column]))
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, &width)| fit(cell, width)).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let heading: Vec<String> = heading.iter().map(|&text| text.to_owned()).collect();
    let mut text = format!("{}\n", paint.bold(&line(&heading)));
    for row in rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

/// `1.2 MB`: decimal units, as download pages count.
pub(crate) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let count_f = count as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count_f / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count_f / 1e6),
        _ => format!("{:.1} GB", count_f / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_exactly_as_wide_as_asked() {
        for (text, width, expected) in
            [("abc", 5, "abc  "), ("abcdef", 4, "abc…"), ("日本語", 4, "日… "), ("", 2, "  "), ("é", 1, "é")]
        {
            assert_eq!(fit(text, width), expected, "{text}");
        }
        assert_eq!(fit_right("7", 3), "  7");
        assert_eq!([fit_end("a/b", 5), fit_end("photos/é.jpg", 6)], ["a/b  ", "…é.jpg"]);
        assert_eq!(fit_end("日本語", 4), "…語 ");
    }

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(one_line("a\u{1b}[2Jb\r\nc\u{202e}d\t\t e"), "a [2Jb c d e");
    }

    #[test]
    fn rows_line_up_without_trailing_blanks() {
        let table = rows(
            &["name", "state"],
            &[vec!["a".into(), "ready".into()], vec!["longer".into(), "x".into()]],
            Paint::plain(),
        );
        assert_eq!(table, "name    state\na       ready\nlonger  x\n");
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(
            [bytes(12), bytes(1_500), bytes(83_000_000), bytes(2_000_000_000)],
            ["12 B", "1.5 kB", "83.0 MB", "2.0 GB"]
        );
    }
}
