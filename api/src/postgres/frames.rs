//! What a client says: frames cut from the stream and read with every length checked.
//!
//! pgwire's own decoders trust the lengths inside a frame and panic where they lie, so only its
//! encoders are used. Nothing here knows what a message leads to.

use bytes::{Buf, Bytes, BytesMut};

use super::error::PgError;

/// Bytes of a frame before somebody has logged in, as in PostgreSQL.
pub(crate) const STARTUP_FRAME_BYTES_MAX: usize = 10_000;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// The first thing that a client says, before frames carry a type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Tls,
    Gss,
    Cancel { pid: i32, secret: Bytes },
    Startup { major: u16, minor: u16, parameters: Vec<(String, String)> },
}

/// What to describe or close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Statement,
    Portal,
}

/// What a client says once it has opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frontend {
    Password(Bytes),
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target, String),
    Execute {
        portal: String,
        rows: usize,
    },
    Close(Target, String),
    Flush,
    Sync,
    Terminate,
    /// Parts of a COPY that nobody asked for; PostgreSQL ignores them too.
    Copy,
}

/// A statement with its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) formats: Vec<i16>,
    pub(crate) parameters: Vec<Option<Bytes>>,
    pub(crate) result_formats: Vec<i16>,
}

fn malformed(what: &str) -> PgError {
    PgError::protocol(format!("invalid message format: {what}"))
}

/// Cuts the opening frame; none while it is not all there.
pub(crate) fn opening(buffer: &mut BytesMut) -> Result<Option<Opening>, PgError> {
    let Some(mut body) = cut(buffer, 0, STARTUP_FRAME_BYTES_MAX)? else { return Ok(None) };
    let mut reader = Reader { body: &mut body };
    let code = reader.u32("protocol version")?;
    let opening = match code {
        SSL_REQUEST => Opening::Tls,
        GSS_REQUEST => Opening::Gss,
        CANCEL_REQUEST => {
            let pid = reader.u32("process id")? as i32;
            Opening::Cancel { pid, secret: body }
        }
        _ => {
            let mut parameters = Vec::new();
            loop {
                let name = reader.text("startup parameter")?;
                if name.is_empty() {
                    break;
                }
                parameters.push((name, reader.text("startup parameter")?));
            }
            Opening::Startup { major: (code >> 16) as u16, minor: code as u16, parameters }
        }
    };
    Ok(Some(opening))
}

/// The mechanism and the message with which a client begins SASL.
pub(crate) fn sasl_initial(mut body: Bytes) -> Result<(String, Bytes), PgError> {
    let mut reader = Reader { body: &mut body };
    let mechanism = reader.text("SASL mechanism")?;
    let message = reader.value()?.unwrap_or_default();
    Ok((mechanism, message))
}

/// Cuts a frame of at most `bytes_max` bytes; none while it is not all there.
pub(crate) fn frontend(
    buffer: &mut BytesMut,
    bytes_max: usize,
) -> Result<Option<Frontend>, PgError> {
    let Some(kind) = buffer.first().copied() else { return Ok(None) };
    if !b"pQPBDECHSXdcf".contains(&kind) {
        return Err(malformed(&format!("unknown message type {kind}")));
    }
    let Some(mut body) = cut(buffer, 1, bytes_max)? else { return Ok(None) };
    let mut reader = Reader { body: &mut body };
    let message = match kind {
        b'p' => Frontend::Password(body),
        b'Q' => Frontend::Query(reader.text("query")?),
        b'P' => Frontend::Parse {
            name: reader.text("statement name")?,
            sql: reader.text("query")?,
            types: reader.list("parameter types", |reader| reader.u32("parameter type"))?,
        },
        b'B' => Frontend::Bind(bind(&mut reader)?),
        b'D' => Frontend::Describe(reader.target()?, reader.text("name")?),
        b'C' => Frontend::Close(reader.target()?, reader.text("name")?),
        b'E' => Frontend::Execute {
            portal: reader.text("portal name")?,
            rows: (reader.u32("row limit")? as i32).max(0) as usize,
        },
        b'H' => Frontend::Flush,
        b'S' => Frontend::Sync,
        b'X' => Frontend::Terminate,
        _ => Frontend::Copy,
    };
    Ok(Some(message))
}

fn bind(reader: &mut Reader<'_>) -> Result<Bind, PgError> {
    Ok(Bind {
        portal: reader.text("portal name")?,
        statement: reader.text("statement name")?,
        formats: reader.list("formats", |reader| reader.u16("format").map(|v| v as i16))?,
        parameters: reader.list("parameters", |reader| reader.value())?,
        result_formats: reader.list("formats", |reader| reader.u16("format").map(|v| v as i16))?,
    })
}

/// The body of a frame whose length stands at `offset`.
fn cut(buffer: &mut BytesMut, offset: usize, bytes_max: usize) -> Result<Option<Bytes>, PgError> {
    let Some(length) = buffer.get(offset..offset + 4) else { return Ok(None) };
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    if length < 4 {
        return Err(malformed("a message shorter than its length"));
    }
    if length > bytes_max {
        return Err(PgError::protocol(format!("message of {length} bytes is too long"))
            .detail(format!("At most {bytes_max} bytes are read.")));
    }
    if buffer.len() < offset + length {
        buffer.reserve(offset + length - buffer.len());
        return Ok(None);
    }
    let mut frame = buffer.split_to(offset + length).freeze();
    frame.advance(offset + 4);
    Ok(Some(frame))
}

struct Reader<'a> {
    body: &'a mut Bytes,
}

impl Reader<'_> {
    fn u16(&mut self, what: &str) -> Result<u16, PgError> {
        self.body.try_get_u16().map_err(|_| malformed(what))
    }

    fn u32(&mut self, what: &str) -> Result<u32, PgError> {
        self.body.try_get_u32().map_err(|_| malformed(what))
    }

    fn text(&mut self, what: &str) -> Result<String, PgError> {
        let end = self.body.iter().position(|byte| *byte == 0).ok_or_else(|| malformed(what))?;
        let text = self.body.split_to(end);
        self.body.advance(1);
        String::from_utf8(text.into()).map_err(|_| {
            PgError::new("22021", format!("invalid byte sequence for encoding \"UTF8\" in {what}"))
        })
    }

    fn target(&mut self) -> Result<Target, PgError> {
        match self.body.try_get_u8() {
            Ok(b'S') => Ok(Target::Statement),
            Ok(b'P') => Ok(Target::Portal),
            _ => Err(malformed("neither a statement nor a portal")),
        }
    }

    fn value(&mut self) -> Result<Option<Bytes>, PgError> {
        let length = self.u32("parameter length")? as i32;
        match usize::try_from(length) {
            Err(_) => Ok(None),
            Ok(length) if length <= self.body.len() => Ok(Some(self.body.split_to(length))),
            Ok(_) => Err(malformed("a parameter longer than its message")),
        }
    }

    fn list<T>(
        &mut self,
        what: &str,
        item: impl Fn(&mut Self) -> Result<T, PgError>,
    ) -> Result<Vec<T>, PgError> {
        let count = self.u16(what)?;
        (0..count).map(|_| item(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, body: &[u8]) -> BytesMut {
        let mut frame = BytesMut::from(&[kind][..]);
        frame.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        frame.extend_from_slice(body);
        frame
    }

    #[test]
    fn whole_frames_are_read() {
        let read = |kind, body: &[u8]| frontend(&mut frame(kind, body), 1000).unwrap().unwrap();
        assert_eq!(read(b'Q', b"SELECT 1\0"), Frontend::Query("SELECT 1".into()));
        assert_eq!(read(b'S', b""), Frontend::Sync);
        assert_eq!(read(b'D', b"Sabc\0"), Frontend::Describe(Target::Statement, "abc".into()));
        assert_eq!(
            read(b'E', b"\0\xff\xff\xff\xff"),
            Frontend::Execute { portal: String::new(), rows: 0 }
        );
        assert_eq!(
            read(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
            Frontend::Parse { name: "s".into(), sql: "SELECT $1".into(), types: vec![23] }
        );
        assert_eq!(
            read(b'B', b"\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x02ab\0\0"),
            Frontend::Bind(Bind {
                portal: String::new(),
                statement: "s".into(),
                formats: vec![1],
                parameters: vec![None, Some(Bytes::from_static(b"ab"))],
                result_formats: vec![],
            })
        );
    }

    #[test]
    fn a_part_of_a_frame_waits_for_the_rest() {
        let whole = frame(b'Q', b"SELECT 1\0");
        for length in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..length]);
            assert_eq!(frontend(&mut part, 1000), Ok(None), "{length} bytes");
            assert_eq!(part.len(), length, "nothing is taken");
        }
    }

    #[test]
    fn frames_that_lie_about_their_lengths_are_refused() {
        let cases: [(u8, &[u8]); 9] = [
            (b'Q', b"no end"),
            (b'P', b"s\0SELECT\0\xff\xff"),
            (b'P', b"s\0"),
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x09ab\0\0"),
            (b'B', b"\0\0\xff\xff"),
            (b'D', b""),
            (b'D', b"Xa\0"),
            (b'E', b"\0\0"),
            (b'Q', b"\xff\xfe\0"),
        ];
        for (kind, body) in cases {
            assert!(frontend(&mut frame(kind, body), 1000).is_err(), "{kind} {body:?}");
        }
        assert!(frontend(&mut BytesMut::from(&b"Q\0\0\0\x03"[..]), 1000).is_err());
        assert!(frontend(&mut BytesMut::from(&b"Q\xff\xff\xff\xff"[..]), 1000).is_err());
        assert!(frontend(&mut BytesMut::from(&b"?"[..]), 1000).is_err());
    }

    #[test]
    fn openings_are_told_apart() {
        let read = |body: &[u8]| opening(&mut frame(0, body).split_off(1));
        assert_eq!(read(&80_877_103u32.to_be_bytes()), Ok(Some(Opening::Tls)));
        assert_eq!(read(&80_877_104u32.to_be_bytes()), Ok(Some(Opening::Gss)));
        assert_eq!(
            read(b"\0\x03\0\0user\0ann\0\0"),
            Ok(Some(Opening::Startup {
                major: 3,
                minor: 0,
                parameters: vec![("user".into(), "ann".into())]
            }))
        );
        let cancel = [&80_877_102u32.to_be_bytes()[..], b"\0\0\0\x07\x01\x02\x03\x04"].concat();
        assert_eq!(
            read(&cancel),
            Ok(Some(Opening::Cancel { pid: 7, secret: Bytes::from_static(&[1, 2, 3, 4]) }))
        );
        assert!(read(b"\0\x03\0\0user\0ann").is_err());
        assert!(opening(&mut BytesMut::from(&b"\xff\0\0\0"[..])).is_err());
    }
}
