//! Thins a signal's rows to what a screen of some width can show, without changing its picture.
//!
//! Pure. Of each pixel stay the first, the lowest, the highest and the last good sample, and the
//! first and the last bad one; of text only the changes. What stays is as recorded (C3).

use parx_log::{Quality, Rows, RunKind};

/// A row that may stay.
#[derive(Clone, Debug)]
struct Held {
    /// Its number among all rows.
    place: usize,
    number: f64,
    /// Where it is in the block that is being pushed.
    row: usize,
    /// The row itself, once that block is gone.
    kept: Option<Rows>,
}

/// Places of the rows that may stay of a pixel.
const FIRST: usize = 0;
const LOW: usize = 1;
const HIGH: usize = 2;
const LAST: usize = 3;
const BAD_FIRST: usize = 4;
const BAD_LAST: usize = 5;

/// Thins rows that come in the order of time.
pub(crate) struct Thinner {
    from: i64,
    to: i64,
    width: u32,
    pixel: Option<u32>,
    held: [Option<Held>; 6],
    seen: usize,
    text: Option<(String, Quality)>,
    out: Rows,
}

impl Thinner {
    /// A thinner for the pixels 0 to `width` from `from` to `to`.
    pub(crate) fn new(from: i64, to: i64, width: u32) -> Thinner {
        Thinner {
            from,
            to,
            width: width.max(1),
            pixel: None,
            held: Default::default(),
            seen: 0,
            text: None,
            out: Rows::default(),
        }
    }

    fn pixel_of(&self, time: i64) -> u32 {
        let length = (i128::from(self.to) - i128::from(self.from)).max(1);
        let since = (i128::from(time) - i128::from(self.from)).clamp(0, length);
        let pixel = since * i128::from(self.width) / length;
        pixel.min(i128::from(self.width) - 1) as u32
    }

    /// Takes the next rows.
    pub(crate) fn push(&mut self, rows: &Rows) {
        for (row, time) in rows.times.iter().enumerate() {
            let pixel = self.pixel_of(*time);
            if self.pixel != Some(pixel) {
                self.flush(rows);
                self.pixel = Some(pixel);
            }
            self.take(rows, row);
            self.seen += 1;
        }
        for held in self.held.iter_mut().flatten() {
            if held.kept.is_none() {
                held.kept = Some(one(rows, held.row));
            }
        }
    }

    fn take(&mut self, rows: &Rows, row: usize) {
        let quality = Quality(rows.qualities.get(row).copied().unwrap_or_default());
        let kind = rows.kinds.get(row).copied().unwrap_or(RunKind::None);
        match (quality.is_bad(), number(rows, row)) {
            (false, Some(number)) => {
                let held = Held { place: self.seen, number, row, kept: None };
                let beats = |other: &Option<Held>, better: fn(f64, f64) -> bool| {
                    other.as_ref().is_none_or(|other| better(number, other.number))
                };
                if self.held[FIRST].is_none() {
                    self.held[FIRST] = Some(held.clone());
                }
                if beats(&self.held[LOW], |new, old| new < old) {
                    self.held[LOW] = Some(held.clone());
                }
                if beats(&self.held[HIGH], |new, old| new > old) {
                    self.held[HIGH] = Some(held.clone());
                }
                self.held[LAST] = Some(held);
            }
            (false, None) if kind == RunKind::Text => {
                let text = rows.value(row).map(|value| value.to_string()).unwrap_or_default();
                let state = Some((text, quality));
                if self.text != state {
                    self.text = state;
                    self.flush(rows);
                    self.out.push_from(rows, row);
                }
            }
            (true, _) | (false, None) => {
                self.text = None;
                let held = Held { place: self.seen, number: 0.0, row, kept: None };
                if self.held[BAD_FIRST].is_none() {
                    self.held[BAD_FIRST] = Some(held.clone());
                }
                self.held[BAD_LAST] = Some(held);
            }
        }
    }

    /// Gives out what stays of the pixel, each row once, in the order in which they came.
    fn flush(&mut self, rows: &Rows) {
        let mut held: Vec<Held> = self.held.iter_mut().filter_map(Option::take).collect();
        held.sort_by_key(|held| held.place);
        held.dedup_by_key(|held| held.place);
        for held in held {
            match &held.kept {
                Some(kept) => self.out.push_from(kept, 0),
                None => self.out.push_from(rows, held.row),
            }
        }
    }

    /// What stays of all rows.
    pub(crate) fn finish(mut self) -> Rows {
        self.flush(&Rows::default());
        self.out
    }
}

fn one(rows: &Rows, row: usize) -> Rows {
    let mut one = Rows::default();
    one.push_from(rows, row);
    one
}

fn number(rows: &Rows, row: usize) -> Option<f64> {
    let bits = rows.bits.get(row).copied()?;
    match rows.kinds.get(row)? {
        RunKind::Float => Some(f64::from_bits(bits)),
        RunKind::Int => Some(bits as i64 as f64),
        RunKind::Bool => Some(bits as f64),
        RunKind::None | RunKind::Text => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: u32 = 0x8000_0000;

    fn rows(points: &[(i64, f64, u32)]) -> Rows {
        Rows {
            times: points.iter().map(|p| p.0).collect(),
            sequences: vec![1; points.len()],
            qualities: points.iter().map(|p| p.2).collect(),
            kinds: vec![RunKind::Float; points.len()],
            bits: points.iter().map(|p| p.1.to_bits()).collect(),
            texts: vec![],
        }
    }

    fn thin(rows: &Rows, from: i64, to: i64, width: u32) -> Vec<i64> {
        let mut thinner = Thinner::new(from, to, width);
        thinner.push(rows);
        thinner.finish().times
    }

    #[test]
    fn of_a_pixel_stay_first_lowest_highest_and_last() {
        let points: Vec<_> = (0..100).map(|t| (t, ((t * 37) % 100) as f64, 0)).collect();
        // By hand: the lowest of each half are at 0 and 73, the highest at 27 and 54.
        assert_eq!(thin(&rows(&points), 0, 100, 2), [0, 27, 49, 50, 54, 73, 99]);
        assert_eq!(thin(&rows(&points[..3]), 0, 100, 100), [0, 1, 2], "few points all stay");
    }

    #[test]
    fn i2_bad_samples_stay_as_points_of_their_own() {
        let points = [(0, 5.0, 0), (1, 9.0, BAD), (2, 9.0, BAD), (3, 9.0, BAD), (4, 5.0, 0)];
        assert_eq!(thin(&rows(&points), 0, 10, 1), [0, 1, 3, 4], "I2");
    }

    #[test]
    fn of_text_stay_the_changes() {
        let words = ["run", "run", "stop", "stop", "run"];
        let rows = Rows {
            times: (0..5).collect(),
            sequences: vec![1; 5],
            qualities: vec![0; 5],
            kinds: vec![RunKind::Text; 5],
            bits: (0..5).collect(),
            texts: words.iter().map(|word| (*word).into()).collect(),
        };
        assert_eq!(thin(&rows, 0, 10, 1), [0, 2, 4]);
    }
}
