//! What one signal's rows of a segment are made of, so that only columns with something to say are
//! read.
//!
//! Pure. Kept in the file's metadata, a byte a signal in the order of the directory. Files that
//! were written before it was kept may hold anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parx_log::RunKind;

use crate::read::Wanted;
use crate::schema::column;

/// Kinds of values in the lowest five bits, and whether a quality is another than good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents(u8);

const NOT_GOOD: u8 = 1 << 5;

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
    /// Anything.
    pub(crate) const ANY: Contents = Contents((1 << 6) - 1);

    /// These and those of some rows.
    pub(crate) fn with(self, kinds: &[RunKind], qualities: &[u32]) -> Contents {
        let kinds = kinds.iter().fold(self.0, |bits, kind| bits | bit(*kind));
        let bad = qualities.iter().fold(0, |any, quality| any | quality) != 0;
        Contents(if bad { kinds | NOT_GOOD } else { kinds })
    }

    /// The kind of every row, if all are alike.
    pub(crate) fn kind(self) -> Option<RunKind> {
        let kinds = [RunKind::None, RunKind::Float, RunKind::Int, RunKind::Bool, RunKind::Text];
        kinds.into_iter().find(|kind| self.0 & !NOT_GOOD == bit(*kind))
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
                Some(RunKind::Float | RunKind::Bool) => columns.push(column::VALUE),
                Some(RunKind::Int) => columns.push(column::VALUE_INT),
                Some(RunKind::Text) => columns.push(column::VALUE_TEXT),
                None => {
                    let all = [column::VALUE, column::VALUE_INT, column::VALUE_TEXT, column::KIND];
                    columns.extend(all);
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

/// What `encode` wrote for `count` signals.
pub(crate) fn decode(text: &str, count: usize) -> Option<Vec<Contents>> {
    let bytes = STANDARD.decode(text).ok()?;
    let known = |byte: &u8| *byte <= Contents::ANY.0;
    (bytes.len() == count && bytes.iter().all(known))
        .then(|| bytes.into_iter().map(Contents).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_columns_with_something_to_say_are_read() {
        use RunKind::{Bool, Float, Int, None, Text};
        let all = Wanted::ALL;
        let times = Wanted { values: false, quality: false, sequence: false };
        let values = Wanted { values: true, ..times };
        let table: [(&[RunKind], u32, Wanted, &[usize]); 9] = [
            (&[Float, Float], 0, all, &[1, 6, 2]),
            (&[Float], 0, values, &[1, 2]),
            (&[Bool], 0, values, &[1, 2]),
            (&[Int], 0, values, &[1, 3]),
            (&[Text], 0, values, &[1, 4]),
            (&[None], 0x8000_0000, all, &[1, 6, 5]),
            (&[Float, None], 0x8000_0000, values, &[1, 2, 3, 4, 7]),
            (&[Int, Float], 0, times, &[1]),
            (&[Float], 0x4000_0000, Wanted { quality: true, ..values }, &[1, 2, 5]),
        ];
        for (kinds, quality, wanted, columns) in table {
            let contents = Contents::default().with(kinds, &[0, quality]);
            assert_eq!(contents.columns(wanted), columns, "{kinds:?} {quality} {wanted:?}");
        }
        assert_eq!(Contents::ANY.columns(all), [1, 6, 2, 3, 4, 7, 5]);
    }

    #[test]
    fn l6_other_contents_than_were_written_are_refused() {
        let int = Contents::default().with(&[RunKind::Int], &[7]);
        let contents = [Contents::ANY, Contents::default(), int];
        let text = encode(&contents);
        assert_eq!(decode(&text, 3), Some(contents.to_vec()), "L6");
        assert_eq!(decode(&text, 2), None, "L6");
        assert_eq!(decode(&STANDARD.encode([64_u8]), 1), None, "L6");
        assert_eq!(decode("?", 1), None, "L6");
    }
}
