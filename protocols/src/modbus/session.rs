//! One connection to a Modbus device or gateway.
//!
//! One request at a time, each with a limit on its time. The library hands a late answer to the
//! next request, so the link is dropped after a timeout or an answer that does not fit. An
//! exception is data: it makes the points of its request bad, or shows which of them the device
//! does not know.

use std::sync::Arc;
use std::time::Duration;

use parx_ingest::{Fault, Reading, Session};
use parx_log::{Quality, Timestamp};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::slave::SlaveContext;
use tokio_modbus::{Error, Request, Response, Slave};

use super::Shared;
use super::address::Area;
use super::decode::{decode_bits, decode_words, quality_of_exception};
use super::plan::{Field, Read, split};

/// How often a device that says it is busy is asked again within a scan.
const BUSY_REPEATS: u32 = 2;
/// Wait before a busy device is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// After this time an address that the device does not know is tried again.
pub const PROBE_EVERY: Duration = Duration::from_secs(30);

/// An open connection.
pub struct ModbusSession {
    shared: Arc<Shared>,
    link: Context,
    /// The requests, split where the device refused them.
    reads: Vec<Slot>,
}

struct Slot {
    read: Read,
    /// Set while the device does not know the address: with which quality, and until when.
    quarantine: Option<(Quality, Instant)>,
}

/// What came of one request.
enum Answer {
    Words(Vec<u16>),
    Bits(Vec<bool>),
    Exception(u8),
}

/// Why a request got no answer.
enum Silence {
    /// Nothing came in time.
    Timeout(Duration),
    /// The link is unusable.
    Broken(String),
}

impl ModbusSession {
    pub(super) async fn open(shared: Arc<Shared>) -> Result<ModbusSession, Fault> {
        let link = connect(&shared).await?;
        let slot = |read: &Read| Slot { read: read.clone(), quarantine: None };
        let reads = shared.reads.iter().map(slot).collect();
        Ok(ModbusSession { shared, link, reads })
    }

    /// Asks, and asks again while the device is busy.
    async fn ask(&mut self, read: &Read) -> Result<Answer, Silence> {
        for repeat in 0.. {
            let pause = self.shared.settings.pause_ms;
            if pause > 0 {
                sleep(Duration::from_millis(pause)).await;
            }
            let answer = self.request(read).await?;
            let busy = matches!(answer, Answer::Exception(5 | 6));
            if !busy || repeat == BUSY_REPEATS {
                return Ok(answer);
            }
            sleep(BUSY_PAUSE).await;
        }
        Ok(Answer::Exception(6))
    }

    async fn request(&mut self, read: &Read) -> Result<Answer, Silence> {
        let request = match read.area {
            Area::Coil => Request::ReadCoils(read.start, read.count),
            Area::Discrete => Request::ReadDiscreteInputs(read.start, read.count),
            Area::Input => Request::ReadInputRegisters(read.start, read.count),
            Area::Holding => Request::ReadHoldingRegisters(read.start, read.count),
        };
        let limit = self.shared.patience.get(read.class).copied().unwrap_or(BUSY_PAUSE);
        self.link.set_slave(Slave(read.unit));
        let answer = match timeout(limit, self.link.call(request)).await {
            Err(_) => return Err(Silence::Timeout(limit)),
            Ok(answer) => answer,
        };
        let answer = match answer {
            Ok(Ok(response)) => answer_of(response),
            Ok(Err(exception)) => return Ok(Answer::Exception(exception.into())),
            Err(Error::Transport(_)) => {
                return Err(Silence::Broken("the device closed the connection".to_owned()));
            }
            Err(Error::Protocol(error)) => {
                return Err(Silence::Broken(format!(
                    "the answer is not the one asked for: {error}"
                )));
            }
        };
        let count = usize::from(read.count);
        match answer {
            Some(Answer::Words(words)) if words.len() == count => Ok(Answer::Words(words)),
            // Bits come in whole bytes, so there may be up to seven more than asked for.
            Some(Answer::Bits(bits)) if bits.len() >= count => Ok(Answer::Bits(bits)),
            _ => Err(Silence::Broken("the answer does not have the length asked for".to_owned())),
        }
    }

    /// Reads one slot, splitting it where the device refuses. Returns what takes its place.
    async fn read_slot(&mut self, slot: Slot, into: &mut Vec<Reading>) -> Result<Vec<Slot>, Fault> {
        let mut todo = vec![slot];
        let mut done = Vec::new();
        while let Some(mut slot) = todo.pop() {
            let now = Instant::now();
            if let Some((quality, until)) = slot.quarantine
                && now < until
            {
                self.fail(&slot.read, quality, into);
                done.push(slot);
                continue;
            }
            if self.shared.rests(slot.read.unit, now) {
                self.fail(&slot.read, Quality::BAD_NO_COMMUNICATION, into);
                done.push(slot);
                continue;
            }
            match self.ask(&slot.read).await {
                Ok(Answer::Exception(code @ (2 | 3))) => {
                    self.shared.wake(slot.read.unit);
                    let parts = split(&slot.read);
                    if parts.is_empty() {
                        let quality = quality_of_exception(code);
                        self.fail(&slot.read, quality, into);
                        slot.quarantine = Some((quality, Instant::now() + PROBE_EVERY));
                        done.push(slot);
                    }
                    let parts = parts.into_iter().rev();
                    todo.extend(parts.map(|read| Slot { read, quarantine: None }));
                }
                Ok(answer) => {
                    self.take(&slot.read, &answer, into);
                    slot.quarantine = None;
                    done.push(slot);
                }
                Err(silence) => {
                    self.recover(&slot.read, silence).await?;
                    self.fail(&slot.read, Quality::BAD_NO_COMMUNICATION, into);
                    done.push(slot);
                }
            }
        }
        Ok(done)
    }

    /// After silence: where units share the link, the silent one rests and the link is made anew
    /// for the others; otherwise the session is over.
    async fn recover(&mut self, read: &Read, silence: Silence) -> Result<(), Fault> {
        let Settled { host, port } = Settled::of(&self.shared);
        match silence {
            Silence::Timeout(limit) if !self.shared.shared_link => Err(Fault::Link(format!(
                "{host}:{port} unit {} gave no answer within {} ms; check device and unit id",
                read.unit,
                limit.as_millis()
            ))),
            Silence::Broken(text) if !self.shared.shared_link => {
                Err(Fault::Link(format!("{host}:{port}: {text}; connecting again")))
            }
            Silence::Timeout(_) | Silence::Broken(_) => {
                self.shared.rest(read.unit, Instant::now());
                self.link = connect(&self.shared).await?;
                Ok(())
            }
        }
    }

    /// Readings of a request that was answered.
    fn take(&mut self, read: &Read, answer: &Answer, into: &mut Vec<Reading>) {
        match answer {
            Answer::Words(_) | Answer::Bits(_) => self.shared.wake(read.unit),
            Answer::Exception(10 | 11) => self.shared.rest(read.unit, Instant::now()),
            Answer::Exception(_) => {}
        }
        for field in &read.fields {
            let Some(target) = self.shared.targets.get(field.target) else { continue };
            let decoded = match answer {
                Answer::Words(words) => slice(words, field)
                    .and_then(|words| decode_words(&target.address, target.order, words)),
                Answer::Bits(bits) => slice(bits, field).and_then(decode_bits),
                Answer::Exception(code) => Err(quality_of_exception(*code)),
            };
            into.push(match decoded {
                Ok(value) => Reading::good(target.point, value),
                Err(quality) => Reading::bad(target.point, quality),
            });
        }
    }

    fn fail(&self, read: &Read, quality: Quality, into: &mut Vec<Reading>) {
        let targets = read.fields.iter().filter_map(|field| self.shared.targets.get(field.target));
        into.extend(targets.map(|target| Reading::bad(target.point, quality)));
    }
}

impl Session for ModbusSession {
    async fn poll(
        &mut self,
        class: usize,
        _now: Timestamp,
        into: &mut Vec<Reading>,
    ) -> Result<(), Fault> {
        let all = std::mem::take(&mut self.reads);
        let (mine, others): (Vec<Slot>, Vec<Slot>) =
            all.into_iter().partition(|slot| slot.read.class == class);
        self.reads = others;
        for slot in mine {
            let slots = self.read_slot(slot, into).await?;
            self.reads.extend(slots);
        }
        Ok(())
    }

    async fn receive(&mut self, _into: &mut Vec<Reading>) -> Result<(), Fault> {
        // A Modbus device never speaks first.
        std::future::pending().await
    }
}

struct Settled<'a> {
    host: &'a str,
    port: u16,
}

impl Settled<'_> {
    fn of(shared: &Shared) -> Settled<'_> {
        Settled { host: &shared.settings.host, port: shared.settings.port }
    }
}

fn slice<'a, T>(all: &'a [T], field: &Field) -> Result<&'a [T], Quality> {
    let (from, span) = (usize::from(field.at), usize::from(field.span));
    all.get(from..from + span).ok_or(Quality::BAD_DECODING_ERROR)
}

fn answer_of(response: Response) -> Option<Answer> {
    match response {
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => Some(Answer::Bits(bits)),
        Response::ReadInputRegisters(words) | Response::ReadHoldingRegisters(words) => {
            Some(Answer::Words(words))
        }
        _ => None,
    }
}

/// Opens the link: names are looked up, and small requests are sent at once.
async fn connect(shared: &Shared) -> Result<Context, Fault> {
    let Settled { host, port } = Settled::of(shared);
    let limit = Duration::from_millis(shared.settings.timeout_ms);
    let stream = match timeout(limit, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return Err(Fault::Link(format!(
                "{host}:{port} cannot be reached: {error}; check host, port and network"
            )));
        }
        Err(_) => {
            return Err(Fault::Link(format!(
                "{host}:{port} accepted no connection in {} ms; check host, port and network",
                limit.as_millis()
            )));
        }
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%host, port, "TCP_NODELAY is refused: {error}");
    }
    Ok(tcp::attach_slave(stream, Slave(shared.settings.unit)))
}
