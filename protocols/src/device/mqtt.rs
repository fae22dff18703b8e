//! A small MQTT 3.1.1 gateway: clients connect to it, subscribe, and get what is published.
//!
//! It stands in for a broker in demo and tests: QoS 0 towards subscribers, the last message of a
//! topic kept if asked to. It keeps no session, checks no password, takes no QoS 2 and speaks no
//! TLS. A packet that it does not take closes the connection.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::packet::{self, Malformed, PACKET_BYTES_MAX, Packet};

/// Most clients at a time; a further one is turned away.
pub const CLIENTS_MAX: usize = 64;
/// Most filters of one client; a further one is refused.
pub const FILTERS_MAX: usize = 256;
/// Most topics whose last message is kept; a further one's is not.
pub const RETAINED_MAX: usize = 4096;
/// Most packets that may wait for a client; one that is further behind is disconnected.
pub const QUEUE_MAX: usize = 4096;
/// Longest wait for a client's first packet.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A gateway. Cheap to clone; all clones are the same gateway.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    retained: BTreeMap<String, Arc<[u8]>>,
    clients: BTreeMap<u64, Client>,
    next: u64,
}

#[derive(Debug)]
struct Client {
    filters: Vec<String>,
    queue: mpsc::Sender<Arc<[u8]>>,
    /// Dropped with the client, which ends its connection.
    _stay: oneshot::Sender<()>,
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("a packet of {0} bytes is larger than {PACKET_BYTES_MAX}")]
    Large(usize),
    #[error("it sent nothing for longer than it had promised")]
    Silent,
    #[error("its first packet is not CONNECT, or a later one is")]
    Order,
    #[error("it speaks another version than MQTT 3.1.1")]
    Version,
    #[error("it did not read what it had subscribed to")]
    Slow,
}

impl Gateway {
    /// Sends a message to all who subscribed to its topic; keeps it for later ones if `retain`. An
    /// empty message that is to be kept forgets the kept one. Answers with how many it went to.
    pub fn publish(&self, topic: &str, payload: &[u8], retain: bool) -> usize {
        let Some(bytes) = packet::publish(topic, payload, false).map(Arc::<[u8]>::from) else {
            return 0;
        };
        let mut state = self.state();
        if retain {
            state.keep(topic, payload);
        }
        let mut sent = 0;
        state.clients.retain(|_, client| {
            if !client.filters.iter().any(|filter| packet::matches(filter, topic)) {
                return true;
            }
            // One that does not read is let go, so that nothing piles up.
            let taken = client.queue.try_send(Arc::clone(&bytes)).is_ok();
            sent += usize::from(taken);
            taken
        });
        sent
    }

    /// Serves clients until it is dropped, which breaks their connections. Ends by itself only if
    /// the socket does.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, address) = accepted?;
                    if clients.len() >= CLIENTS_MAX {
                        tracing::debug!(%address, "the gateway has all the clients it takes");
                        continue;
                    }
                    let gateway = self.clone();
                    clients.spawn(async move {
                        if let Err(reason) = gateway.attend(stream).await {
                            tracing::debug!(%address, "a client of the gateway left: {reason}");
                        }
                    });
                }
                Some(_) = clients.join_next() => {}
            }
        }
    }

    async fn attend(&self, stream: TcpStream) -> Result<(), Ended> {
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let first = timeout(CONNECT_MAX, read(&mut reader)).await.map_err(|_| Ended::Silent)??;
        let Some(Packet::Connect { level_known, keep_alive_s }) = first else {
            return Err(Ended::Order);
        };
        writer.write_all(&packet::connack(level_known)).await?;
        if !level_known {
            return Err(Ended::Version);
        }
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let (stay, left) = oneshot::channel();
        // The guest's place is given back even if this task is aborted.
        let guest = Guest { gateway: self, id: self.state().admit(queue.clone(), stay) };
        tokio::select! {
            ended = guest.listen(reader, queue, keep_alive_s) => ended,
            ended = speak(BufWriter::new(writer), waiting) => Ok(ended?),
            _ = left => Err(Ended::Slow),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit(&mut self, queue: mpsc::Sender<Arc<[u8]>>, stay: oneshot::Sender<()>) -> u64 {
        self.next += 1;
        self.clients.insert(self.next, Client { filters: Vec::new(), queue, _stay: stay });
        self.next
    }

    fn keep(&mut self, topic: &str, payload: &[u8]) {
        if payload.is_empty() {
            self.retained.remove(topic);
        } else if (self.retained.len() < RETAINED_MAX || self.retained.contains_key(topic))
            && let Some(bytes) = packet::publish(topic, payload, true)
        {
            self.retained.insert(topic.to_owned(), bytes.into());
        }
    }

    /// Adds filters to a client; answers with the acknowledgement and the kept messages that they
    /// ask for.
    fn subscribe(&mut self, id: u64, packet_id: u16, filters: Vec<String>) -> Vec<Arc<[u8]>> {
        let Some(client) = self.clients.get_mut(&id) else { return Vec::new() };
        let (mut taken, mut kept) = (Vec::new(), Vec::new());
        for filter in filters {
            let fits = packet::is_filter(&filter) && client.filters.len() < FILTERS_MAX;
            taken.push(fits);
            if fits {
                let wanted = |topic: &str| packet::matches(&filter, topic);
                kept.extend(
                    self.retained.iter().filter(|(t, _)| wanted(t)).map(|(_, m)| m.clone()),
                );
                client.filters.retain(|known| *known != filter);
                client.filters.push(filter);
            }
        }
        kept.insert(0, packet::suback(packet_id, &taken).into());
        kept
    }
}

/// A connected client; dropping it forgets its subscriptions.
struct Guest<'a> {
    gateway: &'a Gateway,
    id: u64,
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.gateway.state().clients.remove(&self.id);
    }
}

impl Guest<'_> {
    async fn listen(
        &self,
        mut reader: BufReader<OwnedReadHalf>,
        queue: mpsc::Sender<Arc<[u8]>>,
        keep_alive_s: u16,
    ) -> Result<(), Ended> {
        let patience = match keep_alive_s {
            0 => Duration::MAX,
            seconds => Duration::from_secs(u64::from(seconds)).mul_f64(1.5),
        };
        loop {
            let next = timeout(patience, read(&mut reader)).await.map_err(|_| Ended::Silent)??;
            let answer = match next {
                None | Some(Packet::Disconnect) => return Ok(()),
                Some(Packet::Connect { .. }) => return Err(Ended::Order),
                Some(Packet::Ping) => packet::pingresp(),
                Some(Packet::Subscribe { id, filters }) => {
                    let answers = self.gateway.state().subscribe(self.id, id, filters);
                    for answer in answers {
                        send(&queue, answer).await?;
                    }
                    continue;
                }
                Some(Packet::Unsubscribe { id, filters }) => {
                    if let Some(client) = self.gateway.state().clients.get_mut(&self.id) {
                        client.filters.retain(|filter| !filters.contains(filter));
                    }
                    packet::unsuback(id)
                }
                Some(Packet::Publish { topic, payload, retain, acknowledge }) => {
                    self.gateway.publish(&topic, &payload, retain);
                    match acknowledge {
                        Some(id) => packet::puback(id),
                        None => continue,
                    }
                }
            };
            send(&queue, answer).await?;
        }
    }
}

async fn send(queue: &mpsc::Sender<Arc<[u8]>>, bytes: impl Into<Arc<[u8]>>) -> Result<(), Ended> {
    let gone = |_| Ended::Socket(io::ErrorKind::BrokenPipe.into());
    queue.send(bytes.into()).await.map_err(gone)
}

/// Writes what waits, as long as there is someone who could add to it.
async fn speak(
    mut writer: BufWriter<OwnedWriteHalf>,
    mut waiting: mpsc::Receiver<Arc<[u8]>>,
) -> io::Result<()> {
    while let Some(bytes) = waiting.recv().await {
        writer.write_all(&bytes).await?;
        if waiting.is_empty() {
            writer.flush().await?;
        }
    }
    Ok(())
}

/// The next packet; none where the connection ends between two.
async fn read(reader: &mut BufReader<OwnedReadHalf>) -> Result<Option<Packet>, Ended> {
    let head = match reader.read_u8().await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        head => head?,
    };
    let mut length = 0;
    for place in 0..4 {
        let byte = reader.read_u8().await?;
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    if length > PACKET_BYTES_MAX {
        return Err(Ended::Large(length));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(Some(packet::decode(head, &body)?))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const CONNECT: &[u8] = &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0];
    const SUBSCRIBE: &[u8] = &[0x82, 8, 0, 1, 0, 3, b'a', b'/', b'#', 1];

    async fn gateway() -> (Gateway, SocketAddr, tokio::task::JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = Gateway::default();
        let served = gateway.clone();
        (gateway, address, tokio::spawn(async move { served.serve(listener).await }))
    }

    async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
        let mut found = vec![0; bytes.len()];
        stream.read_exact(&mut found).await.unwrap();
        assert_eq!(found, bytes);
    }

    #[tokio::test]
    async fn a_subscriber_gets_the_kept_message_and_the_later_ones() {
        let (gateway, address, task) = gateway().await;
        assert_eq!(gateway.publish("a/b", b"1", true), 0);
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(CONNECT).await.unwrap();
        expect(&mut client, &[0x20, 2, 0, 0]).await;
        client.write_all(SUBSCRIBE).await.unwrap();
        expect(&mut client, &[0x90, 3, 0, 1, 0]).await;
        expect(&mut client, &[0x31, 6, 0, 3, b'a', b'/', b'b', b'1']).await;
        assert_eq!(gateway.publish("a/c", b"2", false), 1);
        expect(&mut client, &[0x30, 6, 0, 3, b'a', b'/', b'c', b'2']).await;
        assert_eq!(gateway.publish("b", b"3", false), 0);
        client.write_all(&[0xC0, 0]).await.unwrap();
        expect(&mut client, &[0xD0, 0]).await;
        client.write_all(&[0xE0, 0]).await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        task.abort();
    }

    #[tokio::test]
    async fn what_is_not_understood_closes_the_connection() {
        let (_gateway, address, task) = gateway().await;
        let large: &[u8] = &[0x10, 0xFF, 0xFF, 0xFF, 0x7F];
        let http = [b'G'; 100];
        for first in [&[0xC0, 0], large, &http] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(first).await.unwrap();
            // A close with bytes left unread may arrive as a reset.
            assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0, "{first:?}");
        }
        task.abort();
    }
}
