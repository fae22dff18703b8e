//! The chain: every entry carries the hash of the one before, so that none can be lost, swapped or
//! replaced unseen. Drawn byte by byte in `log/DESIGN.md`.
//!
//! A record is what the store keeps of an entry: its links, then the bytes that `codec` knows. What
//! version 1 of the data folder wrote has no links and is read as it is.

use crate::codec::{self, DecodeError};
use crate::{Change, Entry, Event, Sequence};

/// First byte of a record with links; lower ones are versions of entries without.
pub(crate) const LINKED: u8 = 0x81;
/// The record is a change: it is linked to the change before it, too.
const CHANGE: u8 = 1;
/// The record stands where entries were lost: what comes behind it was linked to them, so the chain
/// begins anew. Far from the other flags, so that no flipped bit makes one of the other.
const MENDED: u8 = 0xA6;
/// Bytes of a record before its links.
const HEADER_BYTES: usize = 4;

/// BLAKE3 of a record's bytes and key.
pub(crate) type Hash = [u8; 32];

/// Stands before the first entry, and where the entry before is not there any more.
const UNKNOWN: Hash = [0; 32];

/// Where the chain ends: what the next entry is linked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last entry.
    pub(crate) sequence: Sequence,
    /// Its hash.
    pub(crate) hash: Hash,
    /// The last change.
    pub(crate) change: Sequence,
    /// Its hash.
    pub(crate) change_hash: Hash,
}

/// A record, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// Hash of the entry before; none where version 1 wrote it, or where it stands for what is
    /// lost.
    pub(crate) previous: Option<Hash>,
    /// Hash of the change before, in the record of a change.
    pub(crate) previous_change: Option<Hash>,
    /// True for a change.
    pub(crate) is_change: bool,
    /// What `codec` reads.
    pub(crate) entry: &'a [u8],
}

impl Head {
    /// The record of an entry behind this head, which moves on to it.
    pub(crate) fn append(&mut self, sequence: Sequence, is_change: bool, entry: &[u8]) -> Vec<u8> {
        let flags = if is_change { CHANGE } else { 0 };
        self.put(sequence, flags, entry)
    }

    /// The record of a change that stands where entries were lost.
    pub(crate) fn mend(&mut self, sequence: Sequence, entry: &[u8]) -> Vec<u8> {
        self.put(sequence, MENDED, entry)
    }

    fn put(&mut self, sequence: Sequence, flags: u8, entry: &[u8]) -> Vec<u8> {
        let is_change = flags != 0;
        let links = if is_change { 2 * size_of::<Hash>() } else { size_of::<Hash>() };
        let mut record = Vec::with_capacity(HEADER_BYTES + links + entry.len());
        record.extend([LINKED, flags, 0, 0]);
        record.extend(self.hash);
        if is_change {
            record.extend(self.change_hash);
        }
        record.extend(entry);
        self.advance(sequence, is_change, &record);
        record
    }

    /// Checks that a record follows this head, and moves on to it.
    pub(crate) fn follow<'a>(
        &mut self,
        sequence: Sequence,
        record: &'a [u8],
    ) -> Result<Record<'a>, DecodeError> {
        let parts = split(sequence, record)?;
        let known = self.hash != UNKNOWN || sequence == Sequence::ZERO.next();
        if known && parts.previous.is_some_and(|previous| previous != self.hash) {
            let what = "it does not follow the entry before it";
            return Err(DecodeError::Damaged { sequence, what });
        }
        let known = self.change_hash != UNKNOWN;
        if known && parts.previous_change.is_some_and(|previous| previous != self.change_hash) {
            let what = "it does not follow the change before it";
            return Err(DecodeError::Damaged { sequence, what });
        }
        self.advance(sequence, parts.is_change, record);
        Ok(parts)
    }

    /// Moves on to a record that does not follow.
    pub(crate) fn skip_to(&mut self, sequence: Sequence, record: &[u8]) {
        let is_change = split(sequence, record).is_ok_and(|parts| parts.is_change);
        self.advance(sequence, is_change, record);
    }

    fn advance(&mut self, sequence: Sequence, is_change: bool, record: &[u8]) {
        self.sequence = sequence;
        self.hash = hash(sequence, record);
        if is_change {
            (self.change, self.change_hash) = (sequence, self.hash);
        }
    }
}

/// BLAKE3 of a record at its place; unknown of one that stands for what was lost.
pub(crate) fn hash(sequence: Sequence, record: &[u8]) -> Hash {
    if is_mended(record) {
        return UNKNOWN;
    }
    let mut hasher = blake3::Hasher::new();
    // The record first: in whole blocks it is hashed several times as fast.
    hasher.update(record);
    hasher.update(&sequence.0.to_be_bytes());
    hasher.finalize().into()
}

/// Checks that changes, ascending, follow one another without one missing in between.
pub(crate) fn changes_follow<'a>(
    changes: impl Iterator<Item = &'a (Sequence, Vec<u8>)>,
) -> Result<(), DecodeError> {
    let mut head = Head::default();
    for (sequence, record) in changes {
        // Samples may have come between them, so only the chain of changes counts.
        head.hash = UNKNOWN;
        head.follow(*sequence, record)?;
    }
    Ok(())
}

/// Takes a record apart, as far as its links go.
pub(crate) fn split(sequence: Sequence, record: &[u8]) -> Result<Record<'_>, DecodeError> {
    let damaged = |what| DecodeError::Damaged { sequence, what };
    match record.first() {
        None => Err(damaged("it is empty")),
        Some(&LINKED) => {
            let cut = || damaged("its links are cut off");
            let (header, rest) = record.split_first_chunk::<HEADER_BYTES>().ok_or_else(cut)?;
            let [_, flags, 0, 0] = header else { return Err(damaged("its links are not known")) };
            let (previous, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
            let mut parts = Record {
                previous: Some(*previous),
                previous_change: None,
                is_change: false,
                entry: rest,
            };
            match *flags {
                0 => {}
                CHANGE | MENDED => {
                    let (change, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
                    (parts.previous_change, parts.entry) = (Some(*change), rest);
                    parts.is_change = true;
                    if *flags == MENDED {
                        (parts.previous, parts.previous_change) = (None, None);
                    }
                }
                _ => return Err(damaged("its links are not known")),
            }
            Ok(parts)
        }
        Some(version) if *version > LINKED => {
            Err(DecodeError::Version { sequence, version: *version })
        }
        Some(_) => Ok(Record {
            previous: None,
            previous_change: None,
            is_change: codec::is_change(record),
            entry: record,
        }),
    }
}

/// True for a record that stands where entries were lost.
pub(crate) fn is_mended(record: &[u8]) -> bool {
    record.starts_with(&[LINKED, MENDED])
}

/// True if a record may begin with this byte.
pub(crate) fn begins_record(byte: u8) -> bool {
    byte == LINKED || byte == codec::ENTRY_VERSION
}

/// The entry in a record.
pub(crate) fn decode(sequence: Sequence, record: &[u8]) -> Result<Entry, DecodeError> {
    let entry = codec::decode(sequence, split(sequence, record)?.entry)?;
    let tells = |event: &Event| match event {
        Event::Change(change) => matches!(**change, Change::DataLost { .. }),
        Event::Samples(_) => false,
    };
    match is_mended(record) && !tells(&entry.event) {
        true => Err(DecodeError::Damaged { sequence, what: "it tells of no loss" }),
        false => Ok(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four records, the second and the third of changes, and the head behind them.
    fn chain() -> (Vec<Vec<u8>>, Head) {
        let mut head = Head::default();
        let records = [false, true, true, false].into_iter().zip(1..).map(|(is_change, number)| {
            head.append(Sequence(number), is_change, format!("entry {number}").as_bytes())
        });
        (records.collect(), head)
    }

    fn follow<'a>(records: impl IntoIterator<Item = (u64, &'a Vec<u8>)>) -> Result<Head, u64> {
        let mut head = Head::default();
        for (number, record) in records {
            head.follow(Sequence(number), record).map_err(|_| number)?;
        }
        Ok(head)
    }

    #[test]
    fn a_chain_is_followed_from_any_place_on() {
        let (records, head) = chain();
        assert_eq!(follow((1..).zip(&records)), Ok(head));
        for first in 2..=4 {
            let found = follow((first..).zip(&records[first as usize - 1..])).unwrap();
            assert_eq!(found.hash, head.hash, "L6: from {first} on");
        }
        let parts = split(Sequence(2), &records[1]).unwrap();
        assert_eq!((parts.entry, parts.is_change), (b"entry 2".as_slice(), true));
    }

    #[test]
    fn l6_a_lost_swapped_or_replaced_entry_breaks_the_chain() {
        let (records, _) = chain();
        let [a, b, c, d] = [&records[0], &records[1], &records[2], &records[3]];
        assert_eq!(follow([(1, a), (2, b), (4, d)]), Err(4), "L6: 3 is lost");
        assert_eq!(follow([(1, a), (3, c), (4, d)]), Err(3), "L6: 2 is lost");
        assert_eq!(follow([(1, a), (2, c), (3, b)]), Err(2), "L6: swapped");
        let other = Head::default().append(Sequence(1), false, b"entry one");
        assert_eq!(follow([(1, &other), (2, b)]), Err(2), "L6: replaced");
        assert_eq!(follow([(2, b), (3, c)]).map(|head| head.change), Ok(Sequence(3)));
    }

    #[test]
    fn l6_a_change_that_is_missing_among_others_is_told() {
        let mut head = Head::default();
        let changes =
            (1..=4).map(|at| (Sequence(3 * at), head.append(Sequence(3 * at), true, b"c")));
        let changes: Vec<_> = changes.collect();
        assert_eq!(changes_follow(changes.iter()), Ok(()));
        assert_eq!(changes_follow(changes[1..].iter()), Ok(()), "from any one on");
        let without = changes[..1].iter().chain(&changes[2..]);
        assert!(changes_follow(without).is_err(), "L6");
    }

    #[test]
    fn behind_what_stands_for_a_lost_entry_the_chain_begins_anew() {
        let (records, head) = chain();
        let (first, rest) = (&records[0], &records[2..]);
        let mut before = Head::default();
        before.follow(Sequence(1), first).unwrap();
        let lost = before.mend(Sequence(2), b"lost");
        let all = [first, &lost].into_iter().chain(rest);
        assert_eq!(follow((1..).zip(all)), Ok(head));
        assert!(is_mended(&lost) && split(Sequence(2), &lost).unwrap().is_change);
    }

    #[test]
    fn l6_every_flipped_bit_of_a_link_is_found() {
        let (records, head) = chain();
        for which in 0..4 {
            for place in 0..records[which].len() * 8 {
                let mut records = records.clone();
                records[which][place / 8] ^= 1 << (place % 8);
                let found = follow((1..).zip(&records));
                assert_ne!(found, Ok(head), "L6: record {which}, bit {place}");
            }
        }
    }
}
