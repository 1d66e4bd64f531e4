//! Who is connected, and who consumes.

use serde::Deserialize;
use serde_json::Value;

use super::{ApiError, Management};

/// An AMQP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The broker's name for it, by which it is closed.
    pub id: String,
    /// The name the client has given it.
    pub name: Option<String>,
    /// The user.
    pub user: Option<String>,
}

/// A consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// The queue.
    pub queue: String,
    /// Its tag.
    pub tag: String,
    /// The most deliveries it may hold.
    pub prefetch: Option<u64>,
    /// The broker's name for its connection.
    pub connection: Option<String>,
}

/// An AMQP channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The broker's name for its connection.
    pub connection: String,
    /// Messages delivered on it and not settled.
    pub unacknowledged: Option<u64>,
}

#[derive(Deserialize)]
struct RawChannel {
    #[serde(default)]
    connection_details: Value,
    #[serde(default)]
    messages_unacknowledged: Value,
}

#[derive(Deserialize)]
struct RawConnection {
    name: String,
    user: Option<String>,
    #[serde(default)]
    client_properties: Value,
}

#[derive(Deserialize)]
struct RawConsumer {
    queue: RawQueueName,
    consumer_tag: String,
    #[serde(default)]
    prefetch_count: Value,
    #[serde(default)]
    channel_details: Value,
}

#[derive(Deserialize)]
struct RawQueueName {
    name: String,
}

impl Management {
    /// The connections in a virtual host. A new one is listed after some seconds.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn connections(&self, vhost: &str) -> Result<Vec<Connection>, ApiError> {
        let call = self.get(&["vhosts", vhost, "connections"]);
        let raw: Vec<RawConnection> = call.json().await?;
        Ok(raw.into_iter().map(Connection::from).collect())
    }

    /// The channels in a virtual host, with what they hold some seconds ago.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn channels(&self, vhost: &str) -> Result<Vec<Channel>, ApiError> {
        let raw: Vec<RawChannel> = self.get(&["vhosts", vhost, "channels"]).json().await?;
        Ok(raw.into_iter().filter_map(RawChannel::named).collect())
    }

    /// Closes a connection.
    ///
    /// # Errors
    /// When the call fails; a connection that is not there is no error.
    pub async fn close_connection(&self, id: &str) -> Result<(), ApiError> {
        self.delete(&["connections", id]).gone().await
    }

    /// The consumers in a virtual host.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn consumers(&self, vhost: &str) -> Result<Vec<Consumer>, ApiError> {
        let raw: Vec<RawConsumer> = self.get(&["consumers", vhost]).json().await?;
        Ok(raw.into_iter().map(Consumer::from).collect())
    }
}

impl RawChannel {
    /// Nothing while the broker does not know yet, or no more, whose it is.
    fn named(self) -> Option<Channel> {
        let connection = self.connection_details.get("name")?.as_str()?.to_owned();
        Some(Channel { connection, unacknowledged: self.messages_unacknowledged.as_u64() })
    }
}

impl From<RawConnection> for Connection {
    fn from(raw: RawConnection) -> Self {
        let name = raw.client_properties.get("connection_name");
        Self { id: raw.name, name: name.and_then(Value::as_str).map(str::to_owned), user: raw.user }
    }
}

impl From<RawConsumer> for Consumer {
    fn from(raw: RawConsumer) -> Self {
        let connection = raw.channel_details.get("connection_name");
        Self {
            queue: raw.queue.name,
            tag: raw.consumer_tag,
            prefetch: raw.prefetch_count.as_u64(),
            connection: connection.and_then(Value::as_str).map(str::to_owned),
        }
    }
}
