//! External components (XEP-0114): programs that serve a domain of their own through this server. This file is the
//! table of them; a connection enters it after the handshake and leaves it when it ends.

mod connection;
mod handshake;
mod listener;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use xmpp::error::StreamError;

use crate::config::{Config, Secret};

pub use listener::serve;

/// What became of a stanza for a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It waits to be written, in order.
    Delivered,
    /// The component is not connected, or not known.
    NotConnected,
    /// The component does not read: the stanza is lost and its connection ends.
    Overflow,
}

/// The components that are configured, and those of them that are connected.
pub struct Components {
    secrets: BTreeMap<String, Secret>,
    links: RwLock<HashMap<String, Link>>,
    queue_max: usize,
    connections: Arc<Semaphore>,
    connections_max: usize,
    /// Why all connections are to end, once they are.
    closing: watch::Sender<Option<StreamError>>,
}

/// The way to a connected component.
struct Link {
    /// The number of its connection.
    connection: u64,
    queue: mpsc::Sender<Bytes>,
    end: oneshot::Sender<StreamError>,
}

/// The connection's ends of a [`Link`].
struct Outlet {
    /// Stanzas to write. It closes when the link is taken out of the table.
    queue: mpsc::Receiver<Bytes>,
    /// Tells that the stream is to end, and why.
    end: oneshot::Receiver<StreamError>,
}

impl Components {
    /// The components of a configuration, none of them connected.
    pub fn new(config: &Config) -> Self {
        let secrets = config.components.secrets.iter();
        let limits = &config.limits;
        Self::with(
            secrets.map(|(domain, secret)| (domain.as_str().to_owned(), secret.clone())).collect(),
            limits.session_queue_stanzas_max,
            limits.component_connections_max,
        )
    }

    fn with(secrets: BTreeMap<String, Secret>, queue_max: usize, connections_max: usize) -> Self {
        let connections_max = connections_max.min(Semaphore::MAX_PERMITS);
        let connections = Arc::new(Semaphore::new(connections_max));
        let closing = watch::Sender::default();
        Self { secrets, links: RwLock::default(), queue_max, connections, connections_max, closing }
    }

    /// Whether a component of that domain is configured, connected or not.
    pub fn is_configured(&self, domain: &str) -> bool {
        self.secrets.contains_key(domain)
    }

    /// The domains of the configured components, sorted.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }

    /// Queues a stanza for the component of that domain; never waits. `xml` has no namespace of its own and takes
    /// that of the stream.
    pub fn send(&self, domain: &str, xml: Bytes) -> Sent {
        let full = {
            let links = self.links.read();
            let Some(link) = links.get(domain) else { return Sent::NotConnected };
            match link.queue.try_send(xml) {
                Ok(()) => return Sent::Delivered,
                Err(mpsc::error::TrySendError::Closed(_)) => return Sent::NotConnected,
                Err(mpsc::error::TrySendError::Full(_)) => link.connection,
            }
        };
        tracing::warn!(domain, connection = full, "the component does not read: its connection ends");
        if let Some(link) = self.detach(domain, full) {
            let error = StreamError::with_text("resource-constraint", "too many stanzas wait for this component");
            // The connection may have ended in this very moment.
            let _ = link.end.send(error);
        }
        Sent::Overflow
    }

    /// Ends every connection with `error`, after what waits was written, and admits none any more.
    pub fn close_all(&self, error: &StreamError) {
        self.closing.send_replace(Some(error.clone()));
        for (_, link) in self.links.write().drain() {
            let _ = link.end.send(error.clone());
        }
    }

    /// Waits until no component is connected.
    pub async fn all_closed(&self) {
        let all = u32::try_from(self.connections_max).unwrap_or(u32::MAX);
        // It fails only when the semaphore was closed, which nobody does.
        let _ = self.connections.acquire_many(all).await;
    }

    fn secret(&self, domain: &str) -> Option<&Secret> {
        self.secrets.get(domain)
    }

    /// Waits until all connections are to end; the reason.
    async fn closing(&self) -> StreamError {
        let mut closing = self.closing.subscribe();
        let closing = closing.wait_for(Option::is_some).await;
        closing.ok().and_then(|error| error.clone()).unwrap_or_else(|| StreamError::new("system-shutdown"))
    }

    /// Enters a connection. The error is for its component: another connection serves it already, or all are to end.
    fn attach(&self, domain: &str, connection: u64) -> Result<Outlet, StreamError> {
        let mut links = self.links.write();
        if let Some(error) = &*self.closing.borrow() {
            return Err(error.clone());
        }
        if links.contains_key(domain) {
            return Err(StreamError::with_text("conflict", "the component is connected already"));
        }
        let (sender, queue) = mpsc::channel(self.queue_max);
        let (end_sender, end) = oneshot::channel();
        links.insert(domain.to_owned(), Link { connection, queue: sender, end: end_sender });
        Ok(Outlet { queue, end })
    }

    /// Takes the link of this very connection out; a later one stays.
    fn detach(&self, domain: &str, connection: u64) -> Option<Link> {
        let mut links = self.links.write();
        let same = links.get(domain).is_some_and(|link| link.connection == connection);
        if same { links.remove(domain) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo_only(queue_max: usize) -> Components {
        let secrets = BTreeMap::from([("echo.localhost".to_owned(), Secret::new("secret".to_owned()))]);
        Components::with(secrets, queue_max, 4)
    }

    #[tokio::test]
    async fn a_connected_component_gets_stanzas_in_order() {
        let components = echo_only(8);
        assert!(components.is_configured("echo.localhost") && !components.is_configured("localhost"));
        assert_eq!(components.send("echo.localhost", Bytes::from_static(b"<a/>")), Sent::NotConnected);
        let mut outlet = components.attach("echo.localhost", 1).unwrap();
        assert_eq!(components.send("echo.localhost", Bytes::from_static(b"<a/>")), Sent::Delivered);
        assert_eq!(components.send("echo.localhost", Bytes::from_static(b"<b/>")), Sent::Delivered);
        assert_eq!(outlet.queue.recv().await.unwrap(), "<a/>");
        assert_eq!(outlet.queue.recv().await.unwrap(), "<b/>");
    }

    #[test]
    fn a_second_connection_is_refused_until_the_first_is_gone() {
        let components = echo_only(8);
        let _first = components.attach("echo.localhost", 1).unwrap();
        assert_eq!(components.attach("echo.localhost", 2).err().unwrap().condition, "conflict");
        assert!(components.detach("echo.localhost", 2).is_none(), "only its own connection takes a link out");
        assert!(components.detach("echo.localhost", 1).is_some());
        assert!(components.attach("echo.localhost", 3).is_ok());
    }

    #[tokio::test]
    async fn a_component_that_does_not_read_is_let_go_and_blocks_nobody() {
        let components = echo_only(1);
        let mut outlet = components.attach("echo.localhost", 1).unwrap();
        assert_eq!(components.send("echo.localhost", Bytes::from_static(b"<a/>")), Sent::Delivered);
        assert_eq!(components.send("echo.localhost", Bytes::from_static(b"<b/>")), Sent::Overflow);
        assert_eq!(components.send("echo.localhost", Bytes::from_static(b"<c/>")), Sent::NotConnected);
        assert_eq!(outlet.end.await.unwrap().condition, "resource-constraint");
        assert_eq!(outlet.queue.recv().await.unwrap(), "<a/>", "what was accepted is still written");
        assert!(outlet.queue.recv().await.is_none());
    }

    #[tokio::test]
    async fn closing_tells_every_connection_why() {
        let components = echo_only(8);
        let outlet = components.attach("echo.localhost", 1).unwrap();
        components.close_all(&StreamError::new("system-shutdown"));
        assert_eq!(outlet.end.await.unwrap().condition, "system-shutdown");
        assert_eq!(components.closing().await.condition, "system-shutdown", "those in their handshake too");
        assert_eq!(components.attach("echo.localhost", 2).err().unwrap().condition, "system-shutdown");
        components.all_closed().await;
    }
}
