//! What can still be read of a journal that is damaged: every valid batch, also behind damage.
//!
//! Reads only.

use std::io::{self, Read, Seek, SeekFrom};

use crate::bytes::Reader;
use crate::journal::{Batch, ITEM, Input, START_BYTES, Stop, next_batch};

/// A valid batch and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) number: u64,
}

/// What can be read of a journal, whatever is damaged.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    /// Every valid batch.
    pub(crate) batches: Vec<Placed>,
    /// Where bad ones begin, and why.
    pub(crate) bad: Vec<(u64, &'static str)>,
}

/// Finds every valid batch of a journal, also behind damage.
pub(crate) fn salvage(mut file: impl Read + Seek) -> io::Result<Salvage> {
    let mut found = Salvage::default();
    let mut from = 0;
    loop {
        file.seek(SeekFrom::Start(from))?;
        let mut input = Input::new(&mut file, from);
        let (start, what) = loop {
            let (start, mut batch) = (input.at, Batch::default());
            match batch.read(&mut input) {
                Ok(()) => {
                    let (end, number) = (input.at, batch.number);
                    found.batches.push(Placed { start, end, number });
                }
                Err(Stop::Over) => return Ok(found),
                Err(Stop::Bad(what)) => break (start, what),
                Err(Stop::Io(error)) => return Err(error),
            }
        };
        found.bad.push((start, what));
        match next_batch(&mut file, start + 1)? {
            Some(next) => from = next,
            None => return Ok(found),
        }
    }
}

/// Takes an item: its keyspace, key and value.
type Take<'a> = &'a mut dyn FnMut(u64, &[u8], &[u8]);

/// Gives the items of a valid batch.
pub(crate) fn items(mut file: impl Read + Seek, batch: &Placed, take: Take<'_>) -> io::Result<()> {
    file.seek(SeekFrom::Start(batch.start))?;
    let mut bytes = Vec::new();
    file.take(batch.end - batch.start).read_to_end(&mut bytes)?;
    let mut reader = Reader::new(bytes.get(START_BYTES - 1..).unwrap_or_default());
    let mut item = || {
        let &[tag, _, _] = reader.take(3)? else { return None };
        let keyspace = reader.u64_le()?;
        let &[k0, k1] = reader.take(2)? else { return None };
        let _length = reader.u32_le()?;
        let length = reader.u32_le()?;
        let key = reader.take(usize::from(u16::from_le_bytes([k0, k1])))?;
        let value = reader.take(length as usize)?;
        (tag == ITEM).then_some((keyspace, key, value))
    };
    while let Some((keyspace, key, value)) = item() {
        take(keyspace, key, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::journal::tests::journal;

    #[test]
    fn the_items_of_a_batch_are_given() {
        let (bytes, places) = journal(&[100, 90]);
        let batch = Placed { start: places[1], end: places[2], number: 4 };
        let mut found = Vec::new();
        let take = &mut |keyspace, key: &[u8], value: &[u8]| {
            found.push((keyspace, key.to_vec(), value.len()));
        };
        items(Cursor::new(&bytes), &batch, take).unwrap();
        assert_eq!(found, [(7, 2_u64.to_be_bytes().to_vec(), 90)]);
    }

    #[test]
    fn salvage_finds_every_batch_around_the_damage() {
        let (mut bytes, places) = journal(&[100, 9000, 50, 9000, 70]);
        bytes[places[1] as usize + 5000] ^= 1;
        bytes[places[3] as usize] = 0;
        let Salvage { batches, bad } = salvage(Cursor::new(&bytes)).unwrap();
        let batch = |which: usize| Placed {
            start: places[which],
            end: places[which + 1],
            number: 2 * which as u64 + 2,
        };
        assert_eq!(batches, [batch(0), batch(2), batch(4)]);
        let bad = bad.into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!(bad, [places[1], places[3]]);
    }
}
