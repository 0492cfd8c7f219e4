//! Accepting HTTP connections: how many, how slow, how large; and letting them finish when the server stops.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;
use tracing::Instrument;
use xmpp::sasl::ChannelBindings;

use crate::c2s::admission::{Admitted, Bounds};
use crate::host::Host;
use crate::limits::Limits;
use crate::tls;

/// Silence on an HTTP/2 connection after which the client is asked whether it is there, and the time for its answer.
const H2_PING: Duration = Duration::from_secs(60);
const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of request bodies that may be under way, on one HTTP/2 stream and on one connection.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Streams that a client has reset and the server has not seen off yet (the rapid reset attack).
const H2_RESETS_MAX: usize = 20;

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// TLS.
    Https,
}

/// How a request came: in the extensions of each.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The other end of the socket, perhaps a proxy: [`Caller`](super::Caller) knows the client.
    pub peer: SocketAddr,
    /// The listener it came by.
    pub scheme: Scheme,
    /// What SASL can be bound to on this connection.
    pub bindings: Arc<ChannelBindings>,
}

/// Accepts connections for as long as the server runs.
pub async fn serve(host: Arc<Host>, listener: TcpListener, scheme: Scheme, router: Router) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => accept(&host, socket, peer, scheme, &router),
            Err(error) => {
                // Out of descriptors, most likely: those that are open go on, new ones wait a moment.
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn accept(host: &Arc<Host>, socket: TcpStream, peer: SocketAddr, scheme: Scheme, router: &Router) {
    let id = host.connection_ids.fetch_add(1, Ordering::Relaxed);
    let limits = &host.config.limits;
    let per_ip_max =
        if host.config.http.is_trusted_proxy(peer.ip()) { usize::MAX } else { limits.http_connections_per_ip_max };
    let bounds = Bounds { per_ip_max, strangers_max: limits.http_connections_max };
    let Some(admitted) = host.http_admission.admit(peer.ip(), bounds) else {
        tracing::info!(connection = id, %peer, "too many HTTP connections: refused");
        return;
    };
    let _ = socket.set_nodelay(true);
    let span = tracing::info_span!("http", connection = id, %peer);
    tokio::spawn(serve_one(host.clone(), socket, peer, scheme, router.clone(), admitted).instrument(span));
}

async fn serve_one(
    host: Arc<Host>,
    socket: TcpStream,
    peer: SocketAddr,
    scheme: Scheme,
    router: Router,
    admitted: Admitted,
) {
    let mut arrival = Arrival { peer, scheme, bindings: Arc::default() };
    match scheme {
        Scheme::Http => converse(&host, socket, arrival, router).await,
        Scheme::Https => {
            let Some(tls) = &host.tls else { return };
            let identity = tls.current();
            // Boxed, so that the room of a handshake is given back after it.
            let accepting = Box::pin(TlsAcceptor::from(identity.https_config()).accept(socket));
            match timeout(Duration::from_secs(host.config.limits.http_head_secs), accepting).await {
                Ok(Ok(stream)) => {
                    arrival.bindings = Arc::new(tls::channel_bindings(stream.get_ref().1, &identity));
                    converse(&host, stream, arrival, router).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => {}
            }
        }
    }
    drop(admitted);
}

/// Serves the requests of one connection until it ends. A client that sends no request in time is left: hyper itself
/// gives no time to those who have not said yet whether they speak HTTP/1.1 or HTTP/2.
async fn converse<S>(host: &Host, stream: S, arrival: Arrival, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let has_asked = Arc::new(AtomicBool::new(false));
    let asked = has_asked.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(arrival.clone());
        router.clone().call(request.map(Body::new))
    });
    let builder = builder(&host.config.limits);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut first_request = pin!(sleep(Duration::from_secs(host.config.limits.http_head_secs)));
    let (mut has_waited, mut is_leaving) = (false, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an HTTP connection failed");
                }
                return;
            }
            () = first_request.as_mut(), if !has_waited => {
                has_waited = true;
                if !has_asked.load(Ordering::Relaxed) {
                    return;
                }
            }
            () = host.stopping.cancelled(), if !is_leaving => {
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.http_head_secs))
        .max_headers(limits.http_fields_max)
        .max_buf_size(limits.http_head_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING_TIMEOUT)
        .max_concurrent_streams(limits.http_streams_max)
        .max_pending_accept_reset_streams(H2_RESETS_MAX)
        .max_header_list_size(u32::try_from(limits.http_head_bytes_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW);
    builder
}
