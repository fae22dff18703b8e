//! Thins a signal's rows to what a screen of some width can show, without changing its picture.
//!
//! Pure. Of each pixel stay the first, the lowest, the highest and the last good sample, and the
//! first and the last bad one; of text only the changes. What stays is as recorded (C3).

use parx_log::{Quality, Rows, RunKind};

/// Thins rows that come in the order of time.
pub(crate) struct Thinner {
    from: i64,
    to: i64,
    width: u32,
    pixel: Option<u32>,
    /// The rows of the pixel that may stay, each with its number within the pixel.
    good: [Option<(usize, Rows)>; 4],
    bad: [Option<(usize, Rows)>; 2],
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
            good: Default::default(),
            bad: Default::default(),
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
                self.flush();
                self.pixel = Some(pixel);
            }
            self.take(rows, row);
            self.seen += 1;
        }
    }

    fn take(&mut self, rows: &Rows, row: usize) {
        let quality = Quality(rows.qualities.get(row).copied().unwrap_or_default());
        let kind = rows.kinds.get(row).copied().unwrap_or(RunKind::None);
        let place = self.seen;
        let keep = || Some((place, one(rows, row)));
        match (quality.is_bad(), number(rows, row)) {
            (false, Some(number)) => {
                let [first, low, high, last] = &mut self.good;
                let held = |held: &Option<(usize, Rows)>| {
                    held.as_ref().and_then(|(_, rows)| self::number(rows, 0))
                };
                if first.is_none() {
                    *first = keep();
                }
                if held(low).is_none_or(|low| number < low) {
                    *low = keep();
                }
                if held(high).is_none_or(|high| number > high) {
                    *high = keep();
                }
                *last = keep();
            }
            (false, None) if kind == RunKind::Text => {
                let text = rows.value(row).map(|value| value.to_string()).unwrap_or_default();
                let state = Some((text, quality));
                if self.text != state {
                    self.text = state;
                    self.flush();
                    self.out.push_from(rows, row);
                }
            }
            (true, _) | (false, None) => {
                self.text = None;
                let [first, last] = &mut self.bad;
                if first.is_none() {
                    *first = keep();
                }
                *last = keep();
            }
        }
    }

    /// Gives out what stays of the pixel, each row once, in the order in which they came.
    fn flush(&mut self) {
        let held = self.good.iter_mut().chain(&mut self.bad).filter_map(Option::take);
        let mut held: Vec<(usize, Rows)> = held.collect();
        held.sort_by_key(|(place, _)| *place);
        held.dedup_by_key(|(place, _)| *place);
        for (_, rows) in held {
            self.out.push_from(&rows, 0);
        }
    }

    /// What stays of all rows.
    pub(crate) fn finish(mut self) -> Rows {
        self.flush();
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
