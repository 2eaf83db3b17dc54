//! Server-sent events, as far as the chat interface uses them: bytes in, the data of events out.
//!
//! Bytes may be cut anywhere, also inside a character or a line end. Names and ids of events are
//! passed over; nothing is ever asked for again.

/// An event larger than the decoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {max_bytes} bytes")]
pub struct TooLarge {
    /// The limit.
    pub max_bytes: usize,
}

/// Decodes one stream.
#[derive(Debug)]
pub struct Decoder {
    line: Vec<u8>,
    data: Option<String>,
    /// The last byte ended a line as a carriage return: a line feed behind it ends no other.
    after_return: bool,
    at_start: bool,
    max_bytes: usize,
}

impl Decoder {
    /// A decoder that takes events of at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self { line: Vec::new(), data: None, after_return: false, at_start: true, max_bytes }
    }

    /// Takes bytes and gives the data of the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    events.extend(self.end_line());
                }
                _ => self.line.push(byte),
            }
            let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
            if held > self.max_bytes {
                return Err(TooLarge { max_bytes: self.max_bytes });
            }
        }
        Ok(events)
    }

    /// The data of an event that the end of the stream cut off behind a whole line. The standard
    /// drops it; servers that forget the last empty line mean it.
    pub fn finish(mut self) -> Option<String> {
        if !self.line.is_empty() {
            drop(self.end_line());
        }
        self.data.take().filter(|data| !data.is_empty())
    }

    /// Ends a line; an empty one ends an event.
    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = match line.strip_prefix('\u{feff}') {
            Some(rest) if self.at_start => rest,
            Some(_) | None => &line,
        };
        self.at_start = false;
        if line.is_empty() {
            return self.data.take();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    fn decode(pieces: &[&[u8]]) -> Vec<String> {
        let mut decoder = Decoder::new(MAX);
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(decoder.push(piece).expect("it is small"));
        }
        events.extend(decoder.finish());
        events
    }

    #[test]
    fn a_stream_reads_the_same_wherever_it_is_cut() {
        let stream = "\u{feff}: keep-alive\r\n\r\nevent: x\ndata: {\"t\":\"Grüße 🌱 漢字\"}\n\n\
data:one\r\ndata: two\r\rid: 7\ndata: [DONE]\n\n"
            .as_bytes();
        let whole = decode(&[stream]);
        assert_eq!(whole, ["{\"t\":\"Grüße 🌱 漢字\"}", "one\ntwo", "[DONE]"]);
        for first in 0..=stream.len() {
            let (head, rest) = stream.split_at(first);
            assert_eq!(decode(&[head, rest]), whole, "cut at {first}");
            for second in 0..=rest.len() {
                let (middle, tail) = rest.split_at(second);
                assert_eq!(decode(&[head, middle, tail]), whole, "cut at {first}+{second}");
            }
        }
        let bytes: Vec<_> = stream.chunks(1).collect();
        assert_eq!(decode(&bytes), whole);
    }

    #[test]
    fn comments_and_unknown_fields_make_no_event() {
        assert_eq!(decode(&[b": ping\n\n:\n\nretry: 10\n\nnonsense\n\n"]), [""; 0]);
    }

    #[test]
    fn an_event_without_its_last_empty_line_is_kept() {
        assert_eq!(decode(&[b"data: a\n\ndata: b\n"]), ["a", "b"]);
        assert_eq!(decode(&[b"data: a\n\ndata: b"]), ["a", "b"]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut decoder = Decoder::new(100);
        assert_eq!(decoder.push(&[b'x'; 101]), Err(TooLarge { max_bytes: 100 }));
        let mut decoder = Decoder::new(100);
        let many = b"data: 0123456789\n".repeat(20);
        assert!(decoder.push(&many).is_err());
    }
}
