//! Hop 1: accepting connections.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tracing::Instrument;
use xmpp::error::StreamError;

use super::admission::{Admitted, Bounds};
use super::connection;
use super::framed::Framed;
use super::negotiation::Peer;
use super::wire::{Transport, Wire, xml_limits};
use crate::host::Host;
use crate::limits::Limits;

/// Which kind of listener a connection came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// XMPP from the first byte, TLS by STARTTLS (RFC 6120 §5).
    Starttls,
    /// TLS from the first byte (XEP-0368).
    DirectTls,
}

/// Accepts connections for as long as the server runs.
pub async fn serve(host: Arc<Host>, listener: TcpListener, kind: Kind) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => accept(&host, socket, peer, kind),
            Err(error) => {
                // Out of descriptors, most likely: those that are open go on, new ones wait a moment.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A client connection without a socket; the client's end is given back. `bytes` can be under way each way. None: too
/// many connections.
pub fn connect_in_memory(host: &Arc<Host>, bytes: usize) -> Option<DuplexStream> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let admitted = host.admission.admit(ip, bounds(&host.config.limits))?;
    let (ours, theirs) = tokio::io::duplex(bytes);
    let wire = Box::new(Wire::new(Transport::Memory(ours), before_login(&host.config.limits)));
    tokio::spawn(connection::serve(host.clone(), wire, Peer { ip }, admitted));
    Some(theirs)
}

/// A place for a client that comes another way than by TCP. None: too many connections.
pub fn admit(host: &Host, ip: IpAddr) -> Option<Admitted> {
    host.admission.admit(ip, bounds(&host.config.limits))
}

/// Serves a client that comes by WebSocket or BOSH, until its session ends.
pub async fn serve_framed(host: Arc<Host>, framed: Framed, ip: IpAddr, admitted: Admitted) {
    let wire = Box::new(Wire::new(Transport::Framed(Box::new(framed)), before_login(&host.config.limits)));
    connection::serve(host, wire, Peer { ip }, admitted).await;
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds { per_ip_max: limits.connections_per_ip_max, strangers_max: limits.pre_auth_connections_max }
}

fn accept(host: &Arc<Host>, socket: TcpStream, peer: SocketAddr, kind: Kind) {
    let id = host.connection_ids.fetch_add(1, Ordering::Relaxed);
    let Some(admitted) = host.admission.admit(peer.ip(), bounds(&host.config.limits)) else {
        tracing::info!(connection = id, %peer, "too many connections: refused");
        return;
    };
    // Small stanzas must not wait for each other (Nagle).
    let _ = socket.set_nodelay(true);
    let span = tracing::info_span!("c2s", connection = id, %peer);
    tokio::spawn(serve_one(host.clone(), socket, peer, kind, admitted).instrument(span));
}

async fn serve_one(host: Arc<Host>, socket: TcpStream, peer: SocketAddr, kind: Kind, admitted: Admitted) {
    let limit = Duration::from_secs(host.config.limits.pre_auth_secs);
    let transport = match kind {
        Kind::Starttls => Transport::Tcp(socket),
        Kind::DirectTls => {
            let Some(tls) = &host.tls else { return };
            let identity = tls.current();
            // Boxed, so that the room of a handshake is given back after it.
            let accepting = Box::pin(TlsAcceptor::from(identity.direct_config()).accept(socket));
            match tokio::time::timeout(limit, accepting).await {
                Ok(Ok(stream)) => Transport::Tls(Box::new(stream), identity),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "TLS handshake failed");
                    return;
                }
                Err(_) => return,
            }
        }
    };
    let wire = Box::new(Wire::new(transport, before_login(&host.config.limits)));
    connection::serve(host, wire, Peer { ip: peer.ip() }, admitted).await;
}

/// What a stranger may send.
pub(crate) fn before_login(limits: &Limits) -> xmpp::xml::Limits {
    xml_limits(limits, limits.pre_auth_stanza_bytes_max)
}

/// What a user may send.
pub(super) fn after_login(limits: &Limits) -> xmpp::xml::Limits {
    xml_limits(limits, limits.stanza_bytes_max)
}

/// The error for a connection that took too long.
pub(super) fn too_slow() -> StreamError {
    StreamError::with_text("connection-timeout", "log in faster")
}
