//! A journal of the store, read before the store reads it: where its valid batches end, and why.
//!
//! fjall takes the first bad batch for a torn tail and cuts the file there, whatever follows. Here
//! it is found out first whether a valid batch follows. Reads only; `guard` decides.
//!
//! A journal is a row of batches: start (1, count u32, number u64), that many items (2, type,
//! compression, keyspace u64, lengths u16 u32 u32, key, value), end (3, XXH3 of the items, magic),
//! all little endian. The file is made longer than it is filled, so zeros behind the last are
//! usual.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::Xxh3Default;

use crate::Sequence;

const START: u8 = 1;
pub(crate) const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// Bytes of a start and the tag behind it: enough to tell whether a batch may begin.
pub(crate) const START_BYTES: usize = 14;
/// Most items that one batch may have.
const ITEMS_MAX: u32 = 1 << 24;
/// No store gets to a larger number in its life.
const NUMBER_MAX: u64 = 1 << 56;
/// How far one batch's number may be from the one before: fjall counts other things in between.
const NUMBER_STEP_MAX: u64 = 1 << 32;
/// Bytes read at a time.
const WINDOW_BYTES: usize = 256 << 10;
/// Shortest entry of the log; what is shorter at a key of eight bytes is something else.
const ENTRY_BYTES_MIN: usize = 24;

/// What a journal holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Journal {
    /// Bytes of its valid batches.
    pub(crate) valid: u64,
    /// Number of its last valid batch.
    pub(crate) number: Option<u64>,
    /// Keyspaces that its valid batches write to.
    pub(crate) keyspaces: BTreeSet<u64>,
    /// The newest entry of the log in its valid batches.
    pub(crate) reached: Option<Sequence>,
    /// What is wrong behind the valid batches.
    pub(crate) fault: Option<Fault>,
}

/// What is wrong at the end of the valid batches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In words.
    pub(crate) what: &'static str,
    /// The newest entry of the log that the bad batch names, as far as that can be read.
    pub(crate) reached: Option<Sequence>,
    /// Where the next valid batch begins, if any does.
    pub(crate) valid_after: Option<u64>,
}

/// Reads a whole journal. `before` is the number of the last batch of the journal before it.
pub(crate) fn scan(mut file: impl Read + Seek, before: Option<u64>) -> io::Result<Journal> {
    let mut journal = Journal { number: before, ..Journal::default() };
    let mut input = Input::new(&mut file, 0);
    let (what, named) = loop {
        let mut batch = Batch::default();
        match batch.read(&mut input) {
            Ok(()) if follows(batch.number, journal.number) => {
                journal.valid = input.at;
                journal.number = Some(batch.number);
                journal.keyspaces.append(&mut batch.keyspaces);
                journal.reached = journal.reached.max(batch.reached);
            }
            Ok(()) => {
                // It is whole, so that it is no torn tail.
                let what = "a batch's number does not follow the one before";
                let valid_after = Some(journal.valid);
                journal.fault = Some(Fault { what, reached: batch.reached, valid_after });
                return Ok(journal);
            }
            Err(Stop::Over) => return Ok(journal),
            Err(Stop::Bad(what)) => break (what, batch.reached),
            Err(Stop::Io(error)) => return Err(error),
        }
    };
    let valid_after = next_batch(&mut file, journal.valid + 1)?;
    journal.fault = Some(Fault { what, reached: named, valid_after });
    Ok(journal)
}

/// Where the next valid batch at or behind `from` begins.
pub(crate) fn next_batch(file: &mut (impl Read + Seek), mut from: u64) -> io::Result<Option<u64>> {
    let mut window = Vec::new();
    loop {
        file.seek(SeekFrom::Start(from))?;
        window.clear();
        file.by_ref().take(WINDOW_BYTES as u64).read_to_end(&mut window)?;
        let starts = window.windows(START_BYTES).enumerate().filter(|(_, w)| may_start(w));
        for (place, _) in starts {
            let at = from + place as u64;
            file.seek(SeekFrom::Start(at))?;
            match Batch::default().read(&mut Input::new(&mut *file, at)) {
                Ok(()) => return Ok(Some(at)),
                Err(Stop::Over | Stop::Bad(_)) => {}
                Err(Stop::Io(error)) => return Err(error),
            }
        }
        if window.len() < WINDOW_BYTES {
            return Ok(None);
        }
        from += (WINDOW_BYTES - START_BYTES + 1) as u64;
    }
}

/// True if these bytes may be a start with an item behind it.
fn may_start(bytes: &[u8]) -> bool {
    let Some((&[tag, ref count @ ..], rest)) = bytes.split_first_chunk::<5>() else { return false };
    let Some((number, rest)) = rest.split_first_chunk::<8>() else { return false };
    tag == START
        && (1..=ITEMS_MAX).contains(&u32::from_le_bytes(*count))
        && u64::from_le_bytes(*number) <= NUMBER_MAX
        && rest.first() == Some(&ITEM)
}

/// True if a batch of that number may follow the one before.
fn follows(number: u64, before: Option<u64>) -> bool {
    match before {
        None => number <= NUMBER_MAX,
        Some(before) => number > before && number - before <= NUMBER_STEP_MAX,
    }
}

/// Why reading stops.
pub(crate) enum Stop {
    /// Nothing but zeros is left.
    Over,
    /// This is not a valid batch.
    Bad(&'static str),
    /// The disk.
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Stop::Bad("the file ends inside a batch"),
            _ => Stop::Io(error),
        }
    }
}

/// A file read forward, with the place.
pub(crate) struct Input<R> {
    reader: BufReader<R>,
    pub(crate) at: u64,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(file: R, at: u64) -> Input<R> {
        Input { reader: BufReader::with_capacity(WINDOW_BYTES, file), at }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// Feeds the hasher with the next `length` bytes; answers with the first of them.
    fn pass(&mut self, mut length: usize, hasher: &mut Xxh3Default) -> Result<Option<u8>, Stop> {
        let mut first = None;
        while length > 0 {
            let there = self.reader.fill_buf()?;
            let part = there.get(..length.min(there.len())).unwrap_or_default();
            let Some(byte) = part.first() else {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            };
            first = first.or(Some(*byte));
            hasher.update(part);
            let read = part.len();
            self.reader.consume(read);
            self.at += read as u64;
            length -= read;
        }
        Ok(first)
    }

    /// The tag of a batch, or the end of them all.
    fn start(&mut self) -> Result<(), Stop> {
        match self.reader.fill_buf()?.first() {
            None => Err(Stop::Over),
            Some(0) => self.only_zeros(),
            Some(&START) => self.take::<1>().map(|_| ()),
            Some(_) => Err(Stop::Bad("no batch begins here")),
        }
    }

    fn only_zeros(&mut self) -> Result<(), Stop> {
        loop {
            let there = self.reader.fill_buf()?;
            if there.iter().any(|byte| *byte != 0) {
                return Err(Stop::Bad("zeros stand where a batch should begin"));
            }
            match there.len() {
                0 => return Err(Stop::Over),
                read => self.reader.consume(read),
            }
        }
    }
}

/// What is read of one batch.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    keyspaces: BTreeSet<u64>,
    reached: Option<Sequence>,
}

impl Batch {
    /// Reads one batch. What it names is kept also if it turns out to be bad.
    pub(crate) fn read(&mut self, input: &mut Input<impl Read>) -> Result<(), Stop> {
        input.start()?;
        let count = u32::from_le_bytes(input.take()?);
        self.number = u64::from_le_bytes(input.take()?);
        if count > ITEMS_MAX {
            return Err(Stop::Bad("a batch has more items than can be"));
        }
        let mut hasher = Xxh3Default::new();
        for _ in 0..count {
            self.item(input, &mut hasher)?;
        }
        let [tag] = input.take()?;
        let sum = u64::from_le_bytes(input.take()?);
        if tag != END || input.take()? != MAGIC {
            return Err(Stop::Bad("a batch does not end where it should"));
        }
        match sum == hasher.digest() {
            true => Ok(()),
            false => Err(Stop::Bad("a batch's checksum does not match")),
        }
    }

    fn item(&mut self, input: &mut Input<impl Read>, hasher: &mut Xxh3Default) -> Result<(), Stop> {
        let head: [u8; 21] = input.take()?;
        let [tag, kind, compression, rest @ ..] = head;
        let Some((keyspace, lengths)) = rest.split_first_chunk::<8>() else {
            return Err(Stop::Bad("an item is cut off"));
        };
        let &[k0, k1, v0, v1, v2, v3, d0, d1, d2, d3] = lengths else {
            return Err(Stop::Bad("an item is cut off"));
        };
        let key_length = usize::from(u16::from_le_bytes([k0, k1]));
        let length = u32::from_le_bytes([v0, v1, v2, v3]);
        let on_disk = u32::from_le_bytes([d0, d1, d2, d3]);
        if tag != ITEM || kind > 2 || compression != 0 || length != on_disk {
            return Err(Stop::Bad("an item is not as it should be"));
        }
        hasher.update(&head);
        let mut key = vec![0; key_length];
        input.reader.read_exact(&mut key)?;
        input.at += key_length as u64;
        hasher.update(&key);
        let first = input.pass(length as usize, hasher)?;
        self.keyspaces.insert(u64::from_le_bytes(*keyspace));
        if let Ok(key) = <[u8; 8]>::try_from(key.as_slice())
            && length as usize >= ENTRY_BYTES_MIN
            && first.is_some_and(crate::chain::begins_record)
        {
            self.reached = self.reached.max(Some(Sequence(u64::from_be_bytes(key))));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Cursor;

    use super::*;

    /// A batch with one entry of `length` bytes.
    fn batch(number: u64, sequence: u64, length: usize) -> Vec<u8> {
        let mut item = vec![ITEM, 0, 0];
        item.extend(7_u64.to_le_bytes());
        item.extend(8_u16.to_le_bytes());
        item.extend((length as u32).to_le_bytes());
        item.extend((length as u32).to_le_bytes());
        item.extend(sequence.to_be_bytes());
        // Ones: they look like the start of a batch everywhere.
        item.extend(vec![1; length]);
        let mut bytes = vec![START];
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        let mut hasher = Xxh3Default::new();
        hasher.update(&item);
        bytes.extend(item);
        bytes.push(END);
        bytes.extend(hasher.digest().to_le_bytes());
        bytes.extend(MAGIC);
        bytes
    }

    pub(crate) fn journal(lengths: &[usize]) -> (Vec<u8>, Vec<u64>) {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for (place, length) in (1..).zip(lengths) {
            places.push(bytes.len() as u64);
            bytes.extend(batch(place * 2, place, *length));
        }
        places.push(bytes.len() as u64);
        (bytes, places)
    }

    fn read(bytes: &[u8]) -> Journal {
        scan(Cursor::new(bytes), None).unwrap()
    }

    #[test]
    fn a_whole_journal_has_no_fault_with_and_without_zeros_behind() {
        let (mut bytes, places) = journal(&[100, 5000, 1 << 20]);
        for zeros in [0, 1, 70_000, 1 << 20] {
            bytes.resize(places[3] as usize + zeros, 0);
            let found = read(&bytes);
            assert_eq!(found.fault, None, "{zeros} zeros");
            assert_eq!((found.valid, found.number), (places[3], Some(6)));
            assert_eq!((found.reached, found.keyspaces), (Some(Sequence(3)), [7].into()));
        }
        assert_eq!(read(&[]), Journal::default());
        assert_eq!(read(&[0; 100]), Journal::default());
    }

    #[test]
    fn l6_every_flipped_bit_is_a_fault_with_what_follows_it() {
        let (bytes, places) = journal(&[30, 40, 50]);
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[place] ^= 1 << bit;
                let found = read(&bytes);
                let which = places.partition_point(|at| *at <= place as u64) - 1;
                let number = (5..13).contains(&(place - places[which] as usize));
                match found.fault {
                    // A number that still fits between its neighbours changes nothing.
                    None => assert!(number, "L6: byte {place} bit {bit}"),
                    // One that does not is seen at the batch itself or the next, and is no torn
                    // tail, for that batch is whole.
                    Some(fault) if number => {
                        assert!(found.valid >= places[which], "L6: byte {place} bit {bit}");
                        let next = fault.valid_after;
                        assert_eq!(next, Some(found.valid), "L6: byte {place} bit {bit}");
                    }
                    Some(fault) => {
                        assert_eq!(found.valid, places[which], "L6: byte {place} bit {bit}");
                        let next = (which < 2).then(|| places[which + 1]);
                        assert_eq!(fault.valid_after, next, "L6: byte {place} bit {bit}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_torn_tail_has_nothing_valid_behind_it() {
        let (bytes, places) = journal(&[100, 9000]);
        for length in places[1] as usize + 1..bytes.len() {
            let found = read(&bytes[..length]);
            let fault = found.fault.unwrap();
            assert_eq!((found.valid, fault.valid_after), (places[1], None), "cut at {length}");
        }
        for hole in [places[1] as usize..places[1] as usize + 4096, 4096..8192, 8192..9000] {
            let mut bytes = bytes.clone();
            bytes[hole.clone()].fill(0);
            bytes.extend([0; 5000]);
            let found = read(&bytes);
            let fault = found.fault.unwrap();
            assert_eq!((found.valid, fault.valid_after), (places[1], None), "hole {hole:?}");
        }
    }

    #[test]
    fn what_a_bad_batch_names_is_told() {
        let (mut bytes, places) = journal(&[100, 9000]);
        bytes[places[1] as usize + 5000] ^= 1;
        assert_eq!(read(&bytes).fault.unwrap().reached, Some(Sequence(2)));
    }

    #[test]
    fn a_batch_that_follows_far_behind_damage_is_found() {
        let (mut bytes, places) = journal(&[100, WINDOW_BYTES * 3, 50]);
        bytes[places[1] as usize + 3] ^= 1;
        assert_eq!(read(&bytes).fault.unwrap().valid_after, Some(places[2]));
    }

    #[test]
    fn a_second_journal_goes_on_where_the_first_ended() {
        let bytes = batch(5, 5, 30);
        assert_eq!(scan(Cursor::new(&bytes), Some(4)).unwrap().fault, None);
        assert!(scan(Cursor::new(&bytes), Some(5)).unwrap().fault.is_some());
    }
}
