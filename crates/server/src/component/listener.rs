//! Accepts the connections of components (XEP-0114), a bounded number of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use super::connection;
use crate::host::Host;

/// How long accepting rests after it failed: the process may be out of file descriptors, and one has to close first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A component may be silent for ever, and one whose machine is gone would keep its successor out: after so long the
/// system asks the other end whether it is there, so often, that far apart.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_TRIES: u32 = 3;

/// Serves the components that connect to `listener`, for ever. Those already connected outlive it.
pub async fn serve(host: Arc<Host>, listener: TcpListener) {
    loop {
        let (socket, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a component's connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = host.components.connections.clone().try_acquire_owned() else {
            tracing::warn!(%address, "limits.component_connections_max is reached: a connection is refused");
            continue;
        };
        prepare(&socket);
        let connection = host.connection_ids.fetch_add(1, Ordering::Relaxed);
        let host = host.clone();
        tokio::spawn(async move {
            tracing::debug!(connection, %address, "a component connects");
            connection::run(&host, socket, connection).await;
            drop(permit);
        });
    }
}

fn prepare(socket: &TcpStream) {
    // Stanzas are written in batches already; waiting for more would only delay them.
    let delay = socket.set_nodelay(true);
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY).with_retries(KEEPALIVE_TRIES);
    if let Err(error) = delay.and(SockRef::from(socket).set_tcp_keepalive(&keepalive)) {
        // It works without, only slower.
        tracing::debug!(%error, "a socket option of a component's connection could not be set");
    }
}
