//! VictoriaMetrics beside ParX: a server that runs already is fed the same values and asked for
//! what its language can say.
//!
//! It keeps milliseconds and no quality, so its answers are not compared, only timed. Values go in
//! as line protocol; what it had before stays, the metric's name is of this run alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::bench::client::http::Http;
use crate::bench::plant::{DEVICE_SIGNALS, Plant, Points};
use crate::bench::progress::Progress;
use crate::bench::query::questions::{Draw, Question};

/// Rows of a request.
const ROWS: usize = 50_000;

/// A server that holds a plant.
pub struct Victoria {
    address: SocketAddr,
    http: Http,
    metric: String,
    /// Points that it took.
    pub points: u64,
    /// How long it took to take them.
    pub took: Duration,
}

impl Victoria {
    /// Feeds a plant to the server at `address`.
    pub async fn feed(address: SocketAddr, plant: &mut Plant) -> Result<Victoria, String> {
        let mut http = Http::connect(address, String::new()).await?;
        let metric = format!("parx_bench_{:08x}", rand::random::<u32>());
        let mut progress = Progress::new("feeding VictoriaMetrics", plant.points_expected());
        let (mut count, mut took) = (0, Duration::ZERO);
        loop {
            let points = plant.next(ROWS);
            if points.is_empty() {
                break;
            }
            let text = lines(&points, &metric);
            let begun = Instant::now();
            let answer = http.post("/write?precision=ms", "text/plain", text.as_bytes()).await?;
            took += begun.elapsed();
            if answer.status != 204 {
                let said = String::from_utf8_lossy(&answer.body);
                return Err(format!("VictoriaMetrics answered {}: {said}", answer.status));
            }
            count += points.len() as u64;
            progress.reach(count);
        }
        // What was taken becomes visible to queries.
        http.get("/internal/force_flush").await?;
        Ok(Victoria { address, http, metric, points: count, took })
    }

    /// Connects anew: it closes connections that it hears nothing on for a minute.
    pub async fn connect(&mut self) -> Result<(), String> {
        self.http = Http::connect(self.address, String::new()).await?;
        Ok(())
    }

    /// Asks; how long it took, in milliseconds. None for what its language cannot say.
    pub async fn ask(&mut self, question: Question, draw: &Draw) -> Result<Option<f64>, String> {
        let Some(path) = path(question, draw, &self.metric) else { return Ok(None) };
        let begun = Instant::now();
        let answer = self.http.get(&path).await?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        match answer.status {
            200 => Ok(Some(took)),
            status => {
                let said = String::from_utf8_lossy(&answer.body);
                Err(format!("VictoriaMetrics answered {status} to {path}: {said}"))
            }
        }
    }
}

fn lines(points: &Points, metric: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(points.len() * 64);
    let rows = points.signals.iter().zip(&points.values).zip(&points.times);
    for ((signal, value), time) in rows {
        let (device, millis) = (signal / DEVICE_SIGNALS, time.div_euclid(1_000));
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{metric},device=d{device},signal=s{signal} value={value} {millis}");
    }
    text
}

/// What is asked of it.
fn path(question: Question, draw: &Draw, metric: &str) -> Option<String> {
    let seconds = |micros: i64| micros as f64 / 1e6;
    let (from, to) = (seconds(draw.from), seconds(draw.to));
    let names = draw.signals.iter().map(|signal| format!("s{signal}"));
    let names = names.collect::<Vec<_>>().join("|");
    let series = format!("{metric}_value{{signal=~\"{names}\"}}");
    let all = format!("{metric}_value");
    let range = |query: &str, step: f64| {
        let (query, start) = (encode(query), from + step);
        format!("/api/v1/query_range?query={query}&start={start}&end={to}&step={step}&nocache=1")
    };
    let at_end = |query: &str| format!("/api/v1/query?query={}&time={to}&nocache=1", encode(query));
    match question {
        Question::Last => Some(at_end(&format!("last_over_time({all}[1d])"))),
        Question::Raw => Some(format!(
            "/api/v1/export?match[]={}&start={from}&end={to}&reduce_mem_usage=1",
            encode(&series)
        )),
        Question::Buckets | Question::Panel => {
            let step = (to - from) / question.buckets() as f64;
            let window = format!("[{}ms]", (step * 1e3) as i64);
            let of = ["min", "max", "avg"].map(|of| format!("{of}_over_time({series}{window})"));
            Some(range(&format!("union({})", of.join(",")), step))
        }
        Question::Average => Some(range(&format!("avg_over_time({all}[1h])"), 3_600.0)),
        Question::TimeAverage | Question::TimeAverageAnywhere => {
            Some(range(&format!("integrate({all}[1h])"), 3_600.0))
        }
        Question::Align => Some(range(&format!("last_over_time({series}[1h])"), 1.0)),
        Question::Count => Some(at_end(&format!("sum(count_over_time({all}[10y]))"))),
        Question::Runs => None,
    }
}

/// A query as part of an address.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let byte = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_nothing_that_ends_it() {
        assert_eq!(encode("a_b{c=~\"d|e\"}[1h]"), "a_b%7Bc%3D~%22d%7Ce%22%7D%5B1h%5D");
    }
}
