//! What one signal's rows of a segment are made of, so that only columns with something to say are
//! read.
//!
//! Pure. Kept in the file's metadata, a byte a signal in the order of the directory. Files that
//! were written before it was kept may hold anything, and those of version 1 have no lattice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parx_log::RunKind;

use crate::read::Wanted;
use crate::schema::{SEGMENT_VERSION_PLAIN, column};

/// Kinds of values in the lowest five bits, whether a quality is another than good, and where the
/// numbers are: plain, on a lattice, or some here and some there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents(u8);

const NOT_GOOD: u8 = 1 << 5;
const PLAIN: u8 = 1 << 6;
const LATTICE: u8 = 1 << 7;
const KINDS: u8 = NOT_GOOD - 1;

fn bit(kind: RunKind) -> u8 {
    match kind {
        RunKind::None => 1,
        RunKind::Float => 1 << 1,
        RunKind::Int => 1 << 2,
        RunKind::Bool => 1 << 3,
        RunKind::Text => 1 << 4,
    }
}

impl Contents {
    /// Anything that a file of a version may hold.
    pub(crate) fn any(version: &str) -> Contents {
        Contents(if version == SEGMENT_VERSION_PLAIN { !LATTICE } else { u8::MAX })
    }

    /// These and those of some rows, of which `steps` says which are on a lattice.
    pub(crate) fn with(
        self,
        kinds: &[RunKind],
        qualities: &[u32],
        steps: impl IntoIterator<Item = bool>,
    ) -> Contents {
        let bits = kinds.iter().zip(steps).fold(self.0, |bits, (kind, on_lattice)| {
            let place = match kind {
                RunKind::Float | RunKind::Bool if on_lattice => LATTICE,
                RunKind::Float | RunKind::Bool => PLAIN,
                RunKind::None | RunKind::Int | RunKind::Text => 0,
            };
            bits | bit(*kind) | place
        });
        let bad = qualities.iter().fold(0, |any, quality| any | quality) != 0;
        Contents(if bad { bits | NOT_GOOD } else { bits })
    }

    /// The kind of every row, if all are alike.
    pub(crate) fn kind(self) -> Option<RunKind> {
        let kinds = [RunKind::None, RunKind::Float, RunKind::Int, RunKind::Bool, RunKind::Text];
        kinds.into_iter().find(|kind| self.0 & KINDS == bit(*kind))
    }

    /// The columns of the numbers that are no whole ones.
    fn numbers(self) -> impl Iterator<Item = usize> {
        let plain = (self.0 & PLAIN != 0).then_some(column::VALUE);
        let lattice = (self.0 & LATTICE != 0).then_some(column::LATTICE);
        plain.into_iter().chain(lattice.into_iter().flatten())
    }

    /// The columns that say what is wanted.
    pub(crate) fn columns(self, wanted: Wanted) -> Vec<usize> {
        let mut columns = vec![column::TIME];
        if wanted.sequence {
            columns.push(column::SEQUENCE);
        }
        if wanted.values {
            match self.kind() {
                Some(RunKind::None) => {}
                Some(RunKind::Float | RunKind::Bool) => columns.extend(self.numbers()),
                Some(RunKind::Int) => columns.push(column::VALUE_INT),
                Some(RunKind::Text) => columns.push(column::VALUE_TEXT),
                None => {
                    columns.extend(self.numbers());
                    columns.extend([column::VALUE_INT, column::VALUE_TEXT, column::KIND]);
                }
            }
        }
        if wanted.quality && self.0 & NOT_GOOD != 0 {
            columns.push(column::QUALITY);
        }
        columns
    }
}

/// Text for the file's metadata.
pub(crate) fn encode(contents: &[Contents]) -> String {
    STANDARD.encode(contents.iter().map(|contents| contents.0).collect::<Vec<u8>>())
}

/// What `encode` of a version of the format wrote for `count` signals.
pub(crate) fn decode(text: &str, count: usize, version: &str) -> Option<Vec<Contents>> {
    let bytes = STANDARD.decode(text).ok()?;
    let old = version == SEGMENT_VERSION_PLAIN;
    let contents = |byte: u8| {
        let numbers = byte & (bit(RunKind::Float) | bit(RunKind::Bool)) != 0;
        match (old, numbers) {
            (true, _) if byte & (PLAIN | LATTICE) != 0 => None,
            (true, true) => Some(Contents(byte | PLAIN)),
            (true, false) => Some(Contents(byte)),
            (false, _) => (numbers == (byte & (PLAIN | LATTICE) != 0)).then_some(Contents(byte)),
        }
    };
    if bytes.len() != count {
        return None;
    }
    bytes.into_iter().map(contents).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SEGMENT_VERSION;

    #[test]
    fn only_columns_with_something_to_say_are_read() {
        use RunKind::{Bool, Float, Int, None, Text};
        let all = Wanted::ALL;
        let times = Wanted { values: false, quality: false, sequence: false };
        let values = Wanted { values: true, ..times };
        let checked = Wanted { quality: true, ..values };
        let (on, off) = ([true, true], [false, false]);
        type Case = (&'static [RunKind], u32, [bool; 2], Wanted, &'static [usize]);
        let table: [Case; 11] = [
            (&[Float, Float], 0, off, all, &[1, 6, 2]),
            (&[Float, Float], 0, on, all, &[1, 6, 8, 9, 10, 11]),
            (&[Float, Float], 0, [true, false], values, &[1, 2, 8, 9, 10, 11]),
            (&[Bool], 0, on, values, &[1, 8, 9, 10, 11]),
            (&[Int], 0, on, values, &[1, 3]),
            (&[Text], 0, off, values, &[1, 4]),
            (&[None], 0x8000_0000, off, all, &[1, 6, 5]),
            (&[Float, None], 0x8000_0000, off, values, &[1, 2, 3, 4, 7]),
            (&[None, Float], 0, on, values, &[1, 8, 9, 10, 11, 3, 4, 7]),
            (&[Int, Float], 0, on, times, &[1]),
            (&[Float], 0x4000_0000, off, checked, &[1, 2, 5]),
        ];
        for (kinds, quality, steps, wanted, columns) in table {
            let contents = Contents::default().with(kinds, &[0, quality], steps);
            assert_eq!(contents.columns(wanted), columns, "{kinds:?} {quality} {wanted:?}");
        }
        let any = Contents::any(SEGMENT_VERSION);
        assert_eq!(any.columns(all), [1, 6, 2, 8, 9, 10, 11, 3, 4, 7, 5]);
        assert_eq!(Contents::any("1").columns(all), [1, 6, 2, 3, 4, 7, 5]);
    }

    #[test]
    fn l6_other_contents_than_were_written_are_refused() {
        let with = |kind, on| Contents::default().with(&[kind], &[7], [on]);
        let all = [Contents::default(), with(RunKind::Int, false), with(RunKind::Float, true)];
        let text = encode(&all);
        assert_eq!(decode(&text, 3, SEGMENT_VERSION), Some(all.to_vec()), "L6");
        assert_eq!(decode(&text, 2, SEGMENT_VERSION), None, "L6");
        assert_eq!(decode(&text, 3, "1"), None, "L6: version 1 knew no lattice");
        assert_eq!(decode(&STANDARD.encode([64_u8]), 1, SEGMENT_VERSION), None, "L6");
        assert_eq!(decode("?", 1, SEGMENT_VERSION), None, "L6");
        let plain = with(RunKind::Float, false);
        let float = STANDARD.encode([bit(RunKind::Float) | NOT_GOOD]);
        assert_eq!(decode(&float, 1, "1"), Some(vec![plain]), "L4: version 1 kept it plain");
        assert_eq!(decode(&float, 1, SEGMENT_VERSION), None, "L6");
    }
}
