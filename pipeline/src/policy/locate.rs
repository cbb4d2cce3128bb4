//! From a place in a TOML string's value back to the place in the file.

/// Byte offset, inside `raw` (a TOML string with its quotes), of the `character`-th character of its value. A place
/// past the end answers the closing quote.
pub(crate) fn offset_in_raw(raw: &str, character: usize) -> usize {
    let multi_line = raw.starts_with("\"\"\"") || raw.starts_with("'''");
    let quotes = if multi_line { 3 } else { 1 };
    if !raw.starts_with(['"', '\'']) {
        return 0;
    }
    let end = raw.floor_char_boundary(raw.len().saturating_sub(quotes));
    let escapes = raw.starts_with('"');
    let mut at = quotes.min(end);
    if multi_line {
        // A line break right after the opening quotes is not part of the value.
        let body = &raw[at..end];
        at += if body.starts_with("\r\n") { 2 } else { usize::from(body.starts_with('\n')) };
    }
    let mut seen = 0;
    while at < end {
        let folded = if escapes { folded_line_break(&raw[at..end]) } else { 0 };
        if folded > 0 {
            at += folded;
            continue;
        }
        if seen == character {
            break;
        }
        seen += 1;
        at += character_len(&raw[at..end], escapes);
    }
    at.min(end)
}

/// Bytes of a backslash at the end of a line and of the blanks that it swallows; 0 when there is none.
fn folded_line_break(rest: &str) -> usize {
    let Some(after) = rest.strip_prefix('\\') else { return 0 };
    let blanks = after.len() - after.trim_start_matches([' ', '\t', '\r', '\n']).len();
    if after[..blanks].contains('\n') { 1 + blanks } else { 0 }
}

/// Bytes that one character of the value takes in the file.
fn character_len(rest: &str, escapes: bool) -> usize {
    let mut chars = rest.chars();
    match chars.next() {
        Some('\\') if escapes => match chars.next() {
            Some('u') => 6,
            Some('U') => 10,
            Some('x') => 4,
            other => 1 + other.map_or(0, char::len_utf8),
        },
        first => first.map_or(1, char::len_utf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_string_is_located() {
        let table = [
            ("plain", r#""abc""#, 1, 'b'),
            ("literal", r"'a\bc'", 2, 'b'),
            ("escape before", r#""a\"bc""#, 2, 'b'),
            ("unicode escape before", r#""\u00e9b""#, 1, 'b'),
            ("multi-line", "\"\"\"\nab\ncd\"\"\"", 4, 'd'),
            ("multi-line literal", "'''\r\nab'''", 1, 'b'),
            ("folded", "\"\"\"a\\\n   b\"\"\"", 1, 'b'),
            ("wide characters", "'äöb'", 2, 'b'),
        ];
        for (name, raw, character, expected) in table {
            let offset = offset_in_raw(raw, character);
            assert_eq!(raw[offset..].chars().next(), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_place_past_the_end_is_the_closing_quote() {
        assert_eq!(offset_in_raw("'ab'", 99), 3);
        assert_eq!(offset_in_raw("", 5), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_located_without_panic(raw in "['\"]{0,3}.{0,20}['\"]{0,3}", character in 0_usize..30) {
            let offset = offset_in_raw(&raw, character);
            proptest::prop_assert!(offset <= raw.len());
        }
    }
}
