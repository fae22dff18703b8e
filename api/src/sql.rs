//! `parx sql`: asks a running server over Flight SQL and prints the answer.

use std::io::Write;

use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::{StreamExt, TryStreamExt};
use parx_query::arrow;
use parx_query::arrow::array::RecordBatch;
use tonic::transport::Channel;

use crate::cli::{SqlArgs, SqlFormat};
use crate::command::read_password;

/// Rows that a table shows at a time, so that its columns can be aligned.
const TABLE_ROWS: usize = 10_000;

/// Asks and prints.
pub async fn run(args: SqlArgs) -> Result<(), String> {
    let password = match &args.password_file {
        Some(file) => read_password(file)?,
        None => std::env::var("PARX_PASSWORD")
            .map_err(|_| "set PARX_PASSWORD or name a --password-file".to_owned())?,
    };
    let endpoint = Channel::from_shared(format!("http://{}", args.server))
        .map_err(|error| format!("'{}' is not HOST:PORT: {error}", args.server))?;
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| format!("no server answers at {}: {error}", args.server))?;
    let mut client = FlightSqlServiceClient::new(channel);
    client.handshake(&args.user, &password).await.map_err(|error| said(&error))?;
    let info = client.execute(args.statement, None).await.map_err(|error| said(&error))?;
    for endpoint in info.endpoint {
        let Some(ticket) = endpoint.ticket else { continue };
        let batches = client.do_get(ticket).await.map_err(|error| said(&error))?;
        let mut printer = Printer { format: args.format, header: true, waiting: Vec::new() };
        let mut batches = batches.map_err(|error| error.to_string()).boxed();
        while let Some(batch) = batches.try_next().await? {
            printer.take(batch)?;
        }
        printer.finish()?;
    }
    Ok(())
}

/// The server's words without the transport's, where they can be told apart.
pub(crate) fn said(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let quoted = text.split_once("message: \"").map(|(_, rest)| rest);
    let words = quoted.map(|rest| rest.split_once("\", ").map_or(rest, |(words, _)| words));
    words.map_or(text.clone(), |words| words.trim_end_matches('"').to_owned())
}

struct Printer {
    format: SqlFormat,
    header: bool,
    waiting: Vec<RecordBatch>,
}

impl Printer {
    fn take(&mut self, batch: RecordBatch) -> Result<(), String> {
        match self.format {
            SqlFormat::Table => {
                self.waiting.push(batch);
                let rows: usize = self.waiting.iter().map(RecordBatch::num_rows).sum();
                if rows >= TABLE_ROWS { self.table() } else { Ok(()) }
            }
            SqlFormat::Csv => self.csv(&batch),
            SqlFormat::Json => json(&batch),
        }
    }

    fn finish(mut self) -> Result<(), String> {
        match self.format {
            SqlFormat::Table if self.header || !self.waiting.is_empty() => self.table(),
            SqlFormat::Table | SqlFormat::Csv | SqlFormat::Json => Ok(()),
        }
    }

    fn table(&mut self) -> Result<(), String> {
        self.header = false;
        let batches = std::mem::take(&mut self.waiting);
        let table = arrow::util::pretty::pretty_format_batches(&batches);
        print(&format!("{}\n", table.map_err(|error| error.to_string())?))
    }

    fn csv(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let mut text = Vec::new();
        let header = std::mem::take(&mut self.header);
        let mut writer = arrow::csv::WriterBuilder::new().with_header(header).build(&mut text);
        writer.write(batch).map_err(|error| error.to_string())?;
        drop(writer);
        print(&String::from_utf8_lossy(&text))
    }
}

fn json(batch: &RecordBatch) -> Result<(), String> {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    writer.write(batch).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    print(&String::from_utf8_lossy(&writer.into_inner()))
}

/// A reader that is gone is the end, not an error.
fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
