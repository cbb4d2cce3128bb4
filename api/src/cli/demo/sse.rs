//! Server-sent events, as the HTML standard's section on `EventSource` describes the stream.

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Empty when the stream names none.
    pub(super) event: String,
    pub(super) id: String,
    pub(super) data: String,
}

/// Bytes in, messages out; a message may come in any number of pieces.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    message: Message,
    after_cr: bool,
}

impl Reader {
    /// Takes the next bytes of the stream; answers the messages that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for &byte in bytes {
            let was_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if was_cr => {}
                b'\n' | b'\r' => messages.extend(self.end_line()),
                byte => self.line.push(byte),
            }
        }
        messages
    }

    fn end_line(&mut self) -> Option<Message> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return (!message.data.is_empty()).then_some(message);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.message.event = value.to_owned(),
            "id" => self.message.id = value.to_owned(),
            "data" => {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // A comment (keep-alive), `retry`, or something newer than we are.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_give_the_same_messages() {
        let stream = "\u{feff}: hello\r\n\r\nevent: item.judged\r\nid: 7\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n:\n\nid: 8\ndata:é\n\nid: 9\n\n";
        let stream = stream.trim_start_matches('\u{feff}').as_bytes();
        let message =
            |event: &str, id: &str, data: &str| Message { event: event.into(), id: id.into(), data: data.into() };
        let expected = [message("item.judged", "7", "{\"a\":\n1}"), message("", "8", "é")];
        for size in 1..=stream.len() {
            let mut reader = Reader::default();
            let messages: Vec<Message> = stream.chunks(size).flat_map(|piece| reader.feed(piece)).collect();
            assert_eq!(messages, expected, "pieces of {size}");
        }
    }
}
