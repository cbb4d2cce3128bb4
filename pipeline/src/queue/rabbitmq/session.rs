//! One connection to the broker, from handshake to loss, and publishing over it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    uri::AMQPUri,
};
use tokio::sync::{Semaphore, watch};

use super::{
    message::Letter,
    names::Names,
    topology::{self, short},
};
use crate::{config::QueueConfig, error::PipelineError};

/// Time for handshake and declarations.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the TCP connection, in milliseconds.
const TCP_TIMEOUT_MS: u64 = 3_000;
/// Heartbeat that we ask for when the URL does not say: a dead peer is noticed after two of them.
const HEARTBEAT_S: u16 = 10;
/// Calls that publish at the same time, each on a channel of its own.
const PUBLISHERS: usize = 32;
/// Messages on their way without a confirm, per call.
const WINDOW: usize = 256;

/// A message with its address.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) letter: Letter,
    /// Must reach a queue. Events need no listener.
    pub(super) mandatory: bool,
}

/// Why a call's messages were not all accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A queue is at its limit.
    Full,
    /// Anything else; the words are for the log.
    Away(String),
}

impl Refusal {
    /// As the crate's error, for what is not a lane.
    pub(super) fn into_error(self) -> PipelineError {
        match self {
            Self::Full => away("the broker refuses messages: a queue is full"),
            Self::Away(words) => away(words),
        }
    }
}

pub(super) fn away(words: impl Into<String>) -> PipelineError {
    PipelineError::Unavailable { part: "queue", message: words.into() }
}

pub(super) fn unavailable(error: &lapin::Error) -> PipelineError {
    away(error.to_string())
}

/// One living connection with its topology declared.
pub(super) struct Session {
    pub(super) connection: Connection,
    /// Channels that publish, idle ones. A call has one to itself: whatever comes back on it is that call's.
    idle: Mutex<Vec<Channel>>,
    publishers: Semaphore,
    lost: watch::Sender<bool>,
}

/// Reads the URL: `amqp:` or `amqps:`.
pub(super) fn parse_url(url: &str) -> Result<AMQPUri, PipelineError> {
    let mut uri: AMQPUri = url.parse().map_err(|_| {
        let cure = "write amqp://user:password@host:5672/vhost, with %2f for the vhost `/`";
        PipelineError::invalid("queue_url", format!("queue.url is no AMQP address: {cure}"))
    })?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
    uri.query.connection_timeout.get_or_insert(TCP_TIMEOUT_MS);
    Ok(uri)
}

impl Session {
    /// Connects and declares.
    pub(super) async fn open(uri: &AMQPUri, names: &Names, config: &QueueConfig) -> Result<Self, PipelineError> {
        let opening = async {
            let properties = ConnectionProperties::default().with_connection_name(config.prefix.as_str().into());
            let connection = Connection::connect_uri(uri.clone(), properties).await?;
            let channel = connection.create_channel().await?;
            topology::declare(&channel, names, config).await?;
            let _ = channel.close(200, short("OK")).await;
            Ok(connection)
        };
        let connection = match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
            Ok(opened) => opened.map_err(|error: lapin::Error| explain(&error))?,
            Err(_) => return Err(away("the broker does not answer")),
        };
        Ok(Self {
            connection,
            idle: Mutex::default(),
            publishers: Semaphore::new(PUBLISHERS),
            lost: watch::channel(false).0,
        })
    }

    /// Marks the connection as lost: it is given up and another one is opened.
    pub(super) fn give_up(&self) {
        self.lost.send_replace(true);
    }

    pub(super) fn is_alive(&self) -> bool {
        self.connection.status().connected() && !*self.lost.borrow()
    }

    /// Waits until the connection is lost.
    pub(super) async fn until_lost(&self) {
        let mut lost = self.lost.subscribe();
        while self.is_alive() {
            // The broker's side is looked at now and then; our own side says so at once.
            let _ = tokio::time::timeout(Duration::from_millis(200), lost.wait_for(|lost| *lost)).await;
        }
    }

    /// Publishes messages in order and waits until the broker has confirmed every one. What was confirmed before a refusal
    /// stays accepted.
    pub(super) async fn publish(&self, messages: &[Outgoing], limit: Duration) -> Result<(), Refusal> {
        let publishing = async {
            let _permit = self.publishers.acquire().await.map_err(|error| Refusal::Away(error.to_string()))?;
            let channel = self.channel().await.map_err(|error| Refusal::Away(error.to_string()))?;
            for window in messages.chunks(WINDOW) {
                send(&channel, window).await?;
            }
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
            Ok(())
        };
        // A channel that failed, or was left in the middle, is dropped here and closes: nothing of it meets the next call.
        match tokio::time::timeout(limit, publishing).await {
            Ok(done) => done,
            Err(_) => Err(Refusal::Away("the broker did not confirm in time".into())),
        }
    }

    async fn channel(&self) -> Result<Channel, lapin::Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(channel) = idle.filter(|channel| channel.status().connected()) {
            return Ok(channel);
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }
}

/// Sends all, then waits for all: the confirms come together.
async fn send(channel: &Channel, messages: &[Outgoing]) -> Result<(), Refusal> {
    let sending = messages.iter().map(|message| async move {
        let options = BasicPublishOptions { mandatory: message.mandatory, ..Default::default() };
        let (exchange, key) = (short(&message.exchange), short(&message.key));
        let properties: BasicProperties = message.letter.properties.clone();
        channel.basic_publish(exchange, key, options, &message.letter.body, properties).await?.await
    });
    let mut refusal = None;
    for confirmation in futures::future::join_all(sending).await {
        let found = match confirmation {
            Ok(Confirmation::Ack(None) | Confirmation::NotRequested) => continue,
            Ok(Confirmation::Ack(Some(_))) => {
                Refusal::Away("a message reached no queue: somebody deleted a queue or a binding of ours".into())
            }
            Ok(Confirmation::Nack(_)) => Refusal::Full,
            Err(error) => Refusal::Away(error.to_string()),
        };
        // Away counts more: the caller must not believe that waiting for room helps.
        if refusal.is_none() || found != Refusal::Full {
            refusal = Some(found);
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// What only an operator can end: a declaration that does not fit what is there, a certificate that nobody here trusts.
fn explain(error: &lapin::Error) -> PipelineError {
    let words = error.to_string();
    if words.contains("PRECONDITION_FAILED") || words.contains("PRECONDITION-FAILED") {
        let cure = "a queue is there with other arguments: capacities, partitions, ages and limits of [queue] are fixed once \
                    declared; go back to the old values, or drain and delete the queue, or take another queue.prefix";
        return PipelineError::invalid("queue_topology", format!("{words}: {cure}"));
    }
    if words.contains("certificate") {
        let cure = "the broker's certificate is not trusted: for one of your own authority set the environment variable SSL_CERT_FILE to \
                    a PEM file with that authority, and use the host name that the certificate is for";
        return PipelineError::invalid("queue_tls", format!("{words}: {cure}"));
    }
    unavailable(error)
}
