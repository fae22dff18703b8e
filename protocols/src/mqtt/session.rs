//! One connection to a broker.
//!
//! A task of its own drives the library's event loop, which must not be interrupted half-way, and
//! hands readings over through a bounded channel. Every connection subscribes anew; the first error
//! ends it. While the channel is full the task does not read, so that the broker holds messages
//! back.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parx_ingest::{Fault, Reading, Session};
use parx_log::{Quality, Timestamp};
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, QoS,
    SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::decode::decode;
use super::{Settings, Shared};

/// Messages that may wait between the connection and the collector.
pub const MESSAGES_MAX: usize = 1024;
/// Readings from which on a wait for messages ends.
const READINGS_ENOUGH: usize = 10_000;
/// Topics in one request to subscribe.
const TOPICS_PER_REQUEST: usize = 64;
/// Longest time for a connection, with its greeting.
const CONNECT_MAX: Duration = Duration::from_secs(10);

type Message = Result<Vec<Reading>, Fault>;

/// An open connection.
#[derive(Debug)]
pub struct MqttSession {
    messages: mpsc::Receiver<Message>,
    /// Found while emptying the channel; told at the next call.
    fault: Option<Fault>,
    pump: AbortHandle,
}

impl Drop for MqttSession {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl MqttSession {
    pub(super) async fn open(shared: Arc<Shared>) -> Result<MqttSession, Fault> {
        let options = options(&shared).await?;
        let topics: Vec<&String> = shared.topics.keys().collect();
        let requests = topics.len().div_ceil(TOPICS_PER_REQUEST) + 8;
        let (client, mut events) = AsyncClient::new(options, requests);
        match timeout(CONNECT_MAX, greeting(&mut events)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(fault_of(&shared.settings, &error)),
            Err(_) => return Err(fault_of(&shared.settings, &ConnectionError::NetworkTimeout)),
        }
        let mut subscribing = VecDeque::new();
        for topics in topics.chunks(TOPICS_PER_REQUEST) {
            let qos = qos(shared.settings.qos);
            let filters = topics.iter().map(|topic| SubscribeFilter::new((*topic).clone(), qos));
            if client.try_subscribe_many(filters).is_err() {
                return Err(Fault::Config("a topic is not one that can be subscribed".to_owned()));
            }
            subscribing.push_back(topics.iter().map(|topic| (*topic).clone()).collect());
        }
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        let pump = Pump { shared, events, subscribing, _client: client, sender };
        let pump = tokio::spawn(pump.run()).abort_handle();
        Ok(MqttSession { messages, fault: None, pump })
    }
}

impl Session for MqttSession {
    async fn poll(
        &mut self,
        _class: usize,
        _now: Timestamp,
        _into: &mut Vec<Reading>,
    ) -> Result<(), Fault> {
        Ok(())
    }

    async fn receive(&mut self, into: &mut Vec<Reading>) -> Result<(), Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let ended = || Fault::Link("the connection's task ended; connecting again".to_owned());
        into.extend(self.messages.recv().await.ok_or_else(ended)??);
        while into.len() < READINGS_ENOUGH
            && let Ok(message) = self.messages.try_recv()
        {
            match message {
                Ok(readings) => into.extend(readings),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok(())
    }
}

struct Pump {
    shared: Arc<Shared>,
    events: EventLoop,
    /// Topics of the requests that the broker has not answered, in their order.
    subscribing: VecDeque<Vec<String>>,
    /// The event loop ends without it.
    _client: AsyncClient,
    sender: mpsc::Sender<Message>,
}

impl Pump {
    async fn run(mut self) {
        loop {
            let message = match self.events.poll().await {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let targets = self.shared.topics.get(&publish.topic);
                    Ok(targets.map_or_else(Vec::new, |t| decode(t, &publish.payload)))
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => Ok(self.refused(&ack.return_codes)),
                Ok(_) => continue,
                Err(error) => Err(fault_of(&self.shared.settings, &error)),
            };
            let over = message.is_err();
            let empty = message.as_ref().is_ok_and(Vec::is_empty);
            if !empty && self.sender.send(message).await.is_err() || over {
                return;
            }
        }
    }

    /// Readings of the topics that the broker does not let us subscribe.
    fn refused(&mut self, codes: &[SubscribeReasonCode]) -> Vec<Reading> {
        let topics = self.subscribing.pop_front().unwrap_or_default();
        let failed = |(_, code): &(String, &SubscribeReasonCode)| {
            matches!(code, SubscribeReasonCode::Failure)
        };
        let refused = topics.into_iter().zip(codes).filter(failed);
        let targets = refused.filter_map(|(topic, _)| self.shared.topics.get(&topic)).flatten();
        targets.map(|target| Reading::bad(target.point, Quality::BAD_USER_ACCESS_DENIED)).collect()
    }
}

/// Connects and waits for the broker's acknowledgement.
async fn greeting(events: &mut EventLoop) -> Result<(), ConnectionError> {
    loop {
        if let Event::Incoming(Packet::ConnAck(_)) = events.poll().await? {
            return Ok(());
        }
    }
}

async fn options(shared: &Shared) -> Result<MqttOptions, Fault> {
    let settings = &shared.settings;
    let client_id = match settings.client_id.as_str() {
        "" => format!("parx-{}-{:08x}", shared.source, random()),
        given => given.to_owned(),
    };
    let mut options = MqttOptions::new(client_id, settings.host.clone(), settings.port);
    options.set_keep_alive(Duration::from_secs(settings.keep_alive_s.into()));
    let bytes = settings.max_packet_bytes as usize;
    options.set_max_packet_size(bytes, bytes);
    options.set_clean_session(settings.clean_session);
    if !settings.user.is_empty() {
        options.set_credentials(settings.user.clone(), settings.password.clone());
    }
    if settings.tls {
        options.set_transport(Transport::tls_with_config(tls(settings).await?));
    }
    Ok(options)
}

/// So that two ParX with a source of one name do not push each other out of the broker.
fn random() -> u32 {
    std::hash::RandomState::new().build_hasher().finish() as u32
}

fn qos(number: u8) -> QoS {
    match number {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

async fn tls(settings: &Settings) -> Result<TlsConfiguration, Fault> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates("ca_file", &settings.ca_file).await? {
        roots.add(certificate).map_err(|error| unusable("ca_file", &settings.ca_file, error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Config(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots);
    let config = if settings.cert_file.is_empty() {
        builder.with_no_client_auth()
    } else {
        let chain = certificates("cert_file", &settings.cert_file).await?;
        let bytes = file("key_file", &settings.key_file).await?;
        let key = PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|error| unusable("key_file", &settings.key_file, error))?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| unusable("cert_file", &settings.cert_file, error))?
    };
    Ok(TlsConfiguration::Rustls(Arc::new(config)))
}

async fn certificates(field: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bytes = file(field, path).await?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if all.is_empty() => Err(unusable(field, path, "it holds no certificate in PEM")),
        Ok(all) => Ok(all),
        Err(error) => Err(unusable(field, path, error)),
    }
}

async fn file(field: &str, path: &str) -> Result<Vec<u8>, Fault> {
    tokio::fs::read(path).await.map_err(|error| unusable(field, path, error))
}

/// A file may be put right without a change of the configuration, so it is tried again.
fn unusable(field: &str, path: &str, error: impl std::fmt::Display) -> Fault {
    Fault::Session(format!("settings.{field}: '{path}' cannot be used: {error}; correct the file"))
}

/// What a failed connection means, with what to do about it.
fn fault_of(settings: &Settings, error: &ConnectionError) -> Fault {
    let at = format!("{}:{}", settings.host, settings.port);
    match error {
        ConnectionError::ConnectionRefused(
            code @ (ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized),
        ) => Fault::Session(format!(
            "the broker {at} refuses user '{}': {code:?}; check settings.user and password",
            settings.user
        )),
        ConnectionError::ConnectionRefused(code) => {
            Fault::Session(format!("the broker {at} refuses the connection: {code:?}"))
        }
        ConnectionError::Tls(error) => Fault::Session(format!(
            "no encrypted connection to {at}: {error}; check settings.ca_file, and that the \
             certificates are X.509 version 3 and name this host"
        )),
        ConnectionError::Io(error) => Fault::Link(format!(
            "the broker {at} cannot be reached: {error}; check host, port and network"
        )),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Fault::Link(format!(
            "the broker {at} did not answer in time; check host, port and network"
        )),
        error => Fault::Link(format!("the connection to the broker {at} is lost: {error}")),
    }
}
