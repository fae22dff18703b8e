//! A connection's bytes: frames in, messages out, both buffered and bounded.
//!
//! Reading never waits for writing or the other way around, so that a client that has gone is
//! noticed while its rows are made. What the frames mean is not known here.

use std::io;

use bytes::{Buf, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::error::PgError;
use super::frames::{self, Frontend, Opening, STARTUP_FRAME_BYTES_MAX};
use super::limits::INPUT_AHEAD_BYTES_MAX;

const READ_BYTES: usize = 8 << 10;

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The client said goodbye, or is gone.
    Gone,
    /// The socket failed.
    Socket(io::Error),
    /// The client is told why.
    Fatal(PgError),
}

impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Ending {
        Ending::Socket(error)
    }
}

impl From<PgError> for Ending {
    fn from(error: PgError) -> Ending {
        Ending::Fatal(error)
    }
}

/// The two directions of one connection.
pub(crate) struct Wire {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    input: BytesMut,
    /// What is to be sent. Whole messages are appended; how much of them is sent does not matter.
    pub(crate) output: BytesMut,
    message_bytes: usize,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream, message_bytes: usize) -> Wire {
        let (reader, writer) = socket.into_split();
        Wire { reader, writer, input: BytesMut::new(), output: BytesMut::new(), message_bytes }
    }

    /// Appends a message to what is to be sent.
    pub(crate) fn put(&mut self, message: &PgWireBackendMessage) {
        let length = self.output.len();
        if message.encode(&mut self.output).is_err() {
            // Only messages too long for the protocol fail; half of one must not stay.
            self.output.truncate(length);
        }
    }

    /// The client's first words.
    pub(crate) async fn opening(&mut self) -> Result<Opening, Ending> {
        loop {
            if let Some(opening) = frames::opening(&mut self.input)? {
                return Ok(opening);
            }
            self.read().await?;
        }
    }

    /// A frame of somebody who has not logged in yet.
    pub(crate) async fn login_frame(&mut self) -> Result<Frontend, Ending> {
        self.next(STARTUP_FRAME_BYTES_MAX).await
    }

    /// The next frame. What waits to be sent is sent before waiting for one.
    pub(crate) async fn frame(&mut self) -> Result<Frontend, Ending> {
        self.next(self.message_bytes).await
    }

    async fn next(&mut self, bytes_max: usize) -> Result<Frontend, Ending> {
        loop {
            if let Some(frame) = frames::frontend(&mut self.input, bytes_max)? {
                return Ok(frame);
            }
            self.flush().await?;
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Ending> {
        self.input.reserve(READ_BYTES);
        match self.reader.read_buf(&mut self.input).await? {
            0 => Err(Ending::Gone),
            _ => Ok(()),
        }
    }

    /// Sends everything.
    pub(crate) async fn flush(&mut self) -> Result<(), Ending> {
        while self.output.has_remaining() {
            if self.writer.write_buf(&mut self.output).await? == 0 {
                return Err(Ending::Gone);
            }
        }
        Ok(())
    }

    /// Sends or reads something, whatever is possible first; waits for ever where there is nothing
    /// to do. May be dropped at any time.
    pub(crate) async fn progress(&mut self) -> Result<(), Ending> {
        let Wire { reader, writer, input, output, .. } = self;
        let room = input.len() < INPUT_AHEAD_BYTES_MAX;
        if room {
            input.reserve(READ_BYTES);
        }
        let moved = tokio::select! {
            written = writer.write_buf(output), if output.has_remaining() => written?,
            read = reader.read_buf(input), if room => read?,
            else => std::future::pending().await,
        };
        if moved == 0 { Err(Ending::Gone) } else { Ok(()) }
    }

    /// Says the last word, without waiting for a client that does not listen.
    pub(crate) async fn close(mut self) {
        let last = async {
            self.flush().await?;
            self.writer.shutdown().await?;
            Ok::<(), Ending>(())
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), last).await;
    }
}
