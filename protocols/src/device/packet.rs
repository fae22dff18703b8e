//! The packets of MQTT 3.1.1 that a small gateway needs: reading a client's, writing its own.
//!
//! Pure: bytes in, bytes out. It knows neither QoS 2 nor wills, sessions and MQTT 5.

/// Largest packet that is taken or sent, in bytes behind its fixed header.
pub(super) const PACKET_BYTES_MAX: usize = 1 << 20;
/// The protocol level that is spoken: MQTT 3.1.1.
const LEVEL: u8 = 4;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Connect { level_known: bool, keep_alive_s: u16 },
    Publish { topic: String, payload: Vec<u8>, retain: bool, acknowledge: Option<u16> },
    Subscribe { id: u16, filters: Vec<String> },
    Unsubscribe { id: u16, filters: Vec<String> },
    Ping,
    Disconnect,
}

/// Why a client's packet ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("a packet ends before it should")]
    Short,
    #[error("a packet of type {0} with flags {1:#x} is not one that this gateway takes")]
    Unsupported(u8, u8),
    #[error("a text is not UTF-8")]
    Text,
    #[error("a topic is empty or holds a wildcard")]
    Topic,
}

/// The bytes of a packet that have not been read yet.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1)?.first().copied().ok_or(Malformed::Short)
    }

    fn word(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from(self.byte()?) << 8 | u16::from(self.byte()?))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let length = usize::from(self.word()?);
        let text = str::from_utf8(self.take(length)?).map_err(|_| Malformed::Text)?;
        Ok(text.to_owned())
    }
}

/// Reads a packet: `head` is the first byte of its fixed header, `body` what the length covers.
pub(super) fn decode(head: u8, body: &[u8]) -> Result<Packet, Malformed> {
    let mut cursor = Cursor(body);
    match (head >> 4, head & 0x0F) {
        (1, 0) => {
            let name = cursor.text()?;
            let level_known = cursor.byte()? == LEVEL && name == "MQTT";
            let _flags = cursor.byte()?;
            Ok(Packet::Connect { level_known, keep_alive_s: cursor.word()? })
        }
        (3, flags) if flags & 0b0110 <= 0b0010 => {
            let topic = cursor.text()?;
            if topic.is_empty() || topic.contains(['+', '#']) {
                return Err(Malformed::Topic);
            }
            let acknowledge = (flags & 0b0110 != 0).then(|| cursor.word()).transpose()?;
            let payload = cursor.0.to_vec();
            Ok(Packet::Publish { topic, payload, retain: flags & 1 != 0, acknowledge })
        }
        (8, 2) => {
            let id = cursor.word()?;
            let mut filters = Vec::new();
            while !cursor.0.is_empty() {
                filters.push(cursor.text()?);
                let _wanted_qos = cursor.byte()?;
            }
            Ok(Packet::Subscribe { id, filters })
        }
        (10, 2) => {
            let id = cursor.word()?;
            let mut filters = Vec::new();
            while !cursor.0.is_empty() {
                filters.push(cursor.text()?);
            }
            Ok(Packet::Unsubscribe { id, filters })
        }
        (12, 0) => Ok(Packet::Ping),
        (14, 0) => Ok(Packet::Disconnect),
        (kind, flags) => Err(Malformed::Unsupported(kind, flags)),
    }
}

/// The answer to CONNECT: taken, or refused for the protocol's level.
pub(super) fn connack(accepted: bool) -> Vec<u8> {
    vec![0x20, 2, 0, u8::from(!accepted)]
}

/// The answer to SUBSCRIBE: QoS 0 for each filter that is taken, a refusal for the others.
pub(super) fn suback(id: u16, taken: &[bool]) -> Vec<u8> {
    let codes = taken.iter().map(|taken| if *taken { 0 } else { 0x80 });
    packet(0x90, id.to_be_bytes().into_iter().chain(codes).collect())
}

/// The answer to UNSUBSCRIBE.
pub(super) fn unsuback(id: u16) -> Vec<u8> {
    packet(0xB0, id.to_be_bytes().to_vec())
}

/// The answer to PUBLISH with QoS 1.
pub(super) fn puback(id: u16) -> Vec<u8> {
    packet(0x40, id.to_be_bytes().to_vec())
}

/// The answer to PINGREQ.
pub(super) fn pingresp() -> Vec<u8> {
    packet(0xD0, Vec::new())
}

/// A message with QoS 0; none if it is larger than [`PACKET_BYTES_MAX`] or its topic too long.
pub(super) fn publish(topic: &str, payload: &[u8], retained: bool) -> Option<Vec<u8>> {
    let length = u16::try_from(topic.len()).ok()?;
    let body = [length.to_be_bytes().as_slice(), topic.as_bytes(), payload].concat();
    (body.len() <= PACKET_BYTES_MAX).then(|| packet(0x30 | u8::from(retained), body))
}

fn packet(head: u8, body: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![head];
    let mut left = body.len();
    loop {
        let low = (left & 0x7F) as u8;
        left >>= 7;
        bytes.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// True if a subscriber may ask for `filter`: `#` only as its last level, `+` only alone.
pub(super) fn is_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    !filter.is_empty()
        && levels.iter().enumerate().all(|(place, level)| match *level {
            "#" => place == last,
            "+" => true,
            plain => !plain.contains(['+', '#']),
        })
}

/// True if `filter` asks for `topic`. Wildcards do not reach topics that begin with `$`.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut wanted, mut levels) = (filter.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_matches_topics_level_by_level() {
        let table = [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/+/c", "a/b/c", true),
            ("a/#", "a/b/c", true),
            ("a/#", "a", true),
            ("a/#", "b", false),
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("+", "", true),
        ];
        for (filter, topic, expected) in table {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn a_filter_with_a_wildcard_inside_a_level_is_none() {
        let table = [
            ("a/b", true),
            ("#", true),
            ("+/+/#", true),
            ("", false),
            ("a#", false),
            ("#/a", false),
        ];
        for (filter, expected) in table {
            assert_eq!(is_filter(filter), expected, "{filter}");
        }
    }

    #[test]
    fn packets_are_read_or_named_as_what_they_are_not() {
        let connect = [&[0, 4], b"MQTT".as_slice(), &[4, 2, 0, 60, 0, 0]].concat();
        let old = [&[0, 6], b"MQIsdp".as_slice(), &[3, 2, 0, 60, 0, 0]].concat();
        let message = |topic: &str, acknowledge| Packet::Publish {
            topic: topic.to_owned(),
            payload: b"7".to_vec(),
            retain: false,
            acknowledge,
        };
        let filters = vec!["a/#".to_owned()];
        let table: [(u8, &[u8], Result<Packet, Malformed>); 12] = [
            (0x10, &connect, Ok(Packet::Connect { level_known: true, keep_alive_s: 60 })),
            (0x10, &old, Ok(Packet::Connect { level_known: false, keep_alive_s: 60 })),
            (0x10, &[0, 4], Err(Malformed::Short)),
            (0x30, &[0, 1, b'a', b'7'], Ok(message("a", None))),
            (0x32, &[0, 1, b'a', 0, 9, b'7'], Ok(message("a", Some(9)))),
            (0x34, &[0, 1, b'a', 0, 9, b'7'], Err(Malformed::Unsupported(3, 4))),
            (0x30, &[0, 1, b'#', b'7'], Err(Malformed::Topic)),
            (0x30, &[0, 1, 0xFF, b'7'], Err(Malformed::Text)),
            (0x82, &[0, 5, 0, 3, b'a', b'/', b'#', 1], Ok(Packet::Subscribe { id: 5, filters })),
            (0xC0, &[], Ok(Packet::Ping)),
            (0xE0, &[], Ok(Packet::Disconnect)),
            (0xF0, &[], Err(Malformed::Unsupported(15, 0))),
        ];
        for (head, body, expected) in table {
            assert_eq!(decode(head, body), expected, "{head:#x} {body:?}");
        }
    }

    #[test]
    fn the_length_of_a_packet_is_written_in_sevens() {
        assert_eq!(publish("a", b"7", true), Some(vec![0x31, 4, 0, 1, b'a', b'7']));
        let long = publish("a", &[0; 200], false).unwrap();
        assert_eq!(long.get(..3), Some([0x30, 0xCB, 0x01].as_slice()));
        assert_eq!(publish("a", &vec![0; PACKET_BYTES_MAX], false), None);
        assert_eq!(suback(5, &[true, false]), [0x90, 4, 0, 5, 0, 0x80]);
    }
}
