//! The questions that are asked of a plant's history, in the words of each who is asked.
//!
//! Pure. Every run asks about another signal or window, drawn from a seed; whoever is asked gets
//! the same draws, so that answers can be compared.

use crate::bench::plant::chance::Chance;
use crate::bench::plant::{BEGIN, Class, Plant, tag};
use crate::bench::query::texts::{
    LAST_SQL, align_duckdb, align_parx, hourly, islands, tags, time, trend, weighted, weighted_parx,
};

/// An hour, in microseconds.
pub const HOUR: i64 = 3_600_000_000;
/// A quality at or above it is bad.
pub const BAD: u32 = 0x8000_0000;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The last value of every signal.
    Last,
    /// One signal, eight hours, every sample.
    Raw,
    /// Eight signals, eight hours, 1000 buckets with lowest, highest and mean.
    Buckets,
    /// The time-weighted mean of every hour of a day, all signals.
    TimeAverage,
    /// The same with hours that begin at any second.
    TimeAverageAnywhere,
    /// The plain mean of every hour of a day, all signals.
    Average,
    /// When a signal was above what it seldom is.
    Runs,
    /// Five signals side by side, every second of an hour.
    Align,
    /// How many samples there are.
    Count,
    /// The last fifteen minutes of eight signals, 200 buckets.
    Panel,
}

/// What one run asks about.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// Places of signals among the plant's.
    pub signals: Vec<u32>,
    /// The first microsecond.
    pub from: i64,
    /// The first microsecond that no longer belongs to it.
    pub to: i64,
    /// What a value has to exceed; only for runs, filled in by whoever asks.
    pub limit: f64,
}

/// A way to put a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// How reports name it.
    pub name: &'static str,
    /// The text.
    pub text: String,
    /// True if the answer has the rows and numbers of every other way.
    pub compared: bool,
    /// True for GraphQL, false for SQL.
    pub graphql: bool,
}

impl Question {
    /// All of them.
    pub const ALL: [Question; 10] = [
        Question::Last,
        Question::Raw,
        Question::Buckets,
        Question::TimeAverage,
        Question::TimeAverageAnywhere,
        Question::Average,
        Question::Runs,
        Question::Align,
        Question::Count,
        Question::Panel,
    ];

    /// Short name, as in the table of goals.
    pub fn name(self) -> &'static str {
        match self {
            Question::Last => "Q1",
            Question::Raw => "Q2",
            Question::Buckets => "Q3",
            Question::TimeAverage => "Q4",
            Question::TimeAverageAnywhere => "Q4b",
            Question::Average => "Q4a",
            Question::Runs => "Q5",
            Question::Align => "Q6",
            Question::Count => "Q7",
            Question::Panel => "Q8",
        }
    }

    /// What is asked, in words.
    pub fn words(self) -> &'static str {
        match self {
            Question::Last => "last value of every signal",
            Question::Raw => "one signal, 8 h, raw",
            Question::Buckets => "8 signals, 8 h, 1000 buckets",
            Question::TimeAverage => "hourly time-weighted mean of all, a day",
            Question::TimeAverageAnywhere => "the same, hours begin anywhere",
            Question::Average => "hourly mean of all, a day",
            Question::Runs => "ranges above a limit, 48 h",
            Question::Align => "5 signals aligned on 1 s, an hour",
            Question::Count => "count of everything",
            Question::Panel => "last 15 min of 8 signals, 200 buckets",
        }
    }

    /// What is wanted, in milliseconds, and what the best of ten engines reached.
    pub fn goal(self) -> (f64, &'static str) {
        match self {
            Question::Last => (0.5, "1.2"),
            Question::Raw => (3.0, "6.7"),
            Question::Buckets => (5.0, "19"),
            Question::TimeAverage => (10.0, "239"),
            Question::TimeAverageAnywhere => (120.0, "239"),
            Question::Average => (10.0, "255"),
            Question::Runs => (5.0, "23"),
            Question::Align => (3.0, "8"),
            Question::Count => (0.5, "0.7"),
            Question::Panel => (2.0, "5.7"),
        }
    }

    /// How many buckets.
    pub fn buckets(self) -> i64 {
        if self == Question::Panel { 200 } else { 1000 }
    }

    /// What a run asks about. A plant that is shorter than the window is asked about as a whole.
    pub fn draw(self, plant: &Plant, end: i64, chance: &mut Chance) -> Draw {
        let mut fast: Vec<u32> = of_class(plant, |class| class.period() <= 2);
        if fast.is_empty() {
            fast = of_class(plant, |_| true);
        }
        chance.shuffle(&mut fast);
        let (signals, length, step) = match self {
            Question::Last | Question::Count => (0, end - BEGIN, 1),
            Question::Raw => (1, 8 * HOUR, 1_000_000),
            Question::Buckets => (8, 8 * HOUR, 1_000_000),
            Question::TimeAverage | Question::Average => (0, 24 * HOUR, HOUR),
            Question::TimeAverageAnywhere => (0, 24 * HOUR, 1_000_000),
            Question::Runs => (1, 48 * HOUR, HOUR),
            Question::Align => (5, HOUR, 1_000_000),
            Question::Panel => (8, HOUR / 4, 1),
        };
        fast.truncate(signals);
        let length = length.min(end - BEGIN);
        // So that buckets are alike to the microsecond.
        let length = length - length % self.buckets();
        let room = (end - BEGIN - length) / step;
        let skip = chance.below(room.cast_unsigned() + 1).cast_signed() * step;
        let from = match self {
            Question::Panel => end - length,
            _ => BEGIN + skip,
        };
        Draw { signals: fast, from, to: from + length, limit: 0.0 }
    }

    /// What ParX is asked, in each way that it may know.
    pub fn parx(self, draw: &Draw) -> Vec<Way> {
        let sql = |name, text| Way { name, text, compared: true, graphql: false };
        let graphql = |text: &str| Way {
            name: "graphql",
            text: text.to_owned(),
            compared: false,
            graphql: true,
        };
        let (tags, from, to) = (tags(draw, "'"), time(draw.from), time(draw.to));
        let list = draw.signals.iter().map(|signal| tag(*signal)).collect::<Vec<_>>().join(",");
        match self {
            Question::Last => vec![
                sql("signals", "SELECT tag, last_value FROM signals".to_owned()),
                sql("sql", LAST_SQL.to_owned()),
                graphql("{ signals(limit: 10000) { tag last { time value } } }"),
            ],
            Question::Raw => vec![
                sql(
                    "sql",
                    format!(
                        "SELECT time, value FROM samples WHERE signal = {tags} \
                         AND time >= '{from}' AND time < '{to}' ORDER BY time"
                    ),
                ),
                trend(draw, 20_000),
            ],
            Question::Buckets | Question::Panel => {
                let count = self.buckets();
                let width = (draw.to - draw.from) / count;
                let plain = format!(
                    "SELECT signal, time_bucket('{width} microseconds', time, \
                     '{from}'::timestamptz) AS bucket, min(value), max(value), avg(value) \
                     FROM samples WHERE signal IN ({tags}) AND time >= '{from}' \
                     AND time < '{to}' AND quality < {BAD} GROUP BY 1, 2"
                );
                let own = format!(
                    "SELECT signal, time, min, max, avg \
                     FROM buckets('{list}', '{from}', '{to}', {count}) WHERE avg IS NOT NULL"
                );
                vec![sql("sql", plain), sql("buckets()", own), trend(draw, self.buckets())]
            }
            Question::Average => vec![sql("sql", hourly("avg(value)", draw))],
            Question::TimeAverage | Question::TimeAverageAnywhere => vec![
                sql("sql", weighted_parx(draw)),
                sql("time_average()", hourly("time_average(value, time)", draw)),
            ],
            Question::Runs => {
                let limit = draw.limit;
                let own = format!(
                    "SELECT start_time, end_time, samples \
                     FROM runs({tags}, '{from}', '{to}', 'value > {limit:?}')"
                );
                vec![sql("sql", islands("signal", &tags, draw, limit)), sql("runs()", own)]
            }
            Question::Align => {
                let own = format!("SELECT * FROM align('{list}', '{from}', '{to}', '1 second')");
                vec![sql("sql", align_parx(draw)), sql("align()", own)]
            }
            Question::Count => vec![
                sql("sql", "SELECT count(*) FROM samples".to_owned()),
                graphql("{ server { samples } }"),
            ],
        }
    }

    /// What DuckDB is asked; `ids` are those of the drawn signals.
    pub fn duckdb(self, draw: &Draw, ids: &[i32]) -> String {
        let list = ids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
        let (from, to) = (time(draw.from), time(draw.to));
        let window = format!("time >= '{from}'::timestamptz AND time < '{to}'::timestamptz");
        match self {
            Question::Last => {
                "SELECT signal_id, arg_max(value, time) FROM samples GROUP BY 1".to_owned()
            }
            Question::Raw => format!(
                "SELECT time, value FROM samples WHERE signal_id = {list} AND {window} \
                 ORDER BY time"
            ),
            Question::Buckets | Question::Panel => {
                let width = (draw.to - draw.from) / self.buckets();
                let begin = draw.from;
                format!(
                    "SELECT signal_id, (epoch_us(time) - {begin}) // {width} AS bucket, \
                     min(value), max(value), avg(value) FROM samples \
                     WHERE signal_id IN ({list}) AND {window} AND quality < {BAD} GROUP BY 1, 2"
                )
            }
            Question::Average => {
                let begin = draw.from;
                format!(
                    "SELECT signal_id, (epoch_us(time) - {begin}) // {HOUR} AS hour, avg(value) \
                     FROM samples WHERE {window} AND quality < {BAD} GROUP BY 1, 2"
                )
            }
            Question::TimeAverage | Question::TimeAverageAnywhere => {
                let hour = format!("(epoch_us(time) - {}) // {HOUR}", draw.from);
                weighted("signal_id", "epoch_us(time)", &hour, &window)
            }
            Question::Runs => islands("signal_id", &list, draw, draw.limit),
            Question::Align => align_duckdb(draw, ids),
            Question::Count => "SELECT count(*) FROM samples".to_owned(),
        }
    }
}

fn of_class(plant: &Plant, wanted: impl Fn(Class) -> bool) -> Vec<u32> {
    let classes = plant.classes().iter().zip(0..);
    classes.filter(|(class, _)| wanted(**class)).map(|(_, signal)| signal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plant::PlantOptions;

    #[test]
    fn draws_lie_within_the_plants_life_and_repeat_with_their_seed() {
        for ticks in [345_600, 2_000] {
            let options = PlantOptions { signals: 300, ticks, seed: 1 };
            let (plant, end) = (Plant::new(options), options.end());
            for question in Question::ALL {
                let (mut chance, mut again) = (Chance::new(9), Chance::new(9));
                for _ in 0..100 {
                    let draw = question.draw(&plant, end, &mut chance);
                    assert!(BEGIN <= draw.from && draw.from < draw.to && draw.to <= end);
                    assert_eq!(draw, question.draw(&plant, end, &mut again));
                    let one_second = |s: &u32| plant.classes()[*s as usize].period() <= 2;
                    assert!(draw.signals.iter().all(one_second), "{question:?}");
                }
            }
        }
    }

    #[test]
    fn whole_hours_begin_with_the_hour_and_others_anywhere() {
        let options = PlantOptions { signals: 20, ticks: 345_600, seed: 1 };
        let (plant, mut chance) = (Plant::new(options), Chance::new(1));
        let mut begins = |question: Question| {
            let draws = (0..20).map(|_| question.draw(&plant, options.end(), &mut chance));
            draws.filter(|draw| draw.from % HOUR == 0).count()
        };
        assert_eq!(begins(Question::TimeAverage), 20);
        assert!(begins(Question::TimeAverageAnywhere) < 3);
    }
}
