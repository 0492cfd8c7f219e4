//! The floor: a relay that looks at nothing. What no server in Rust on tokio and rustls can be cheaper than.
//!
//! A connection's first line is its number; number 2n and number 2n+1 get each other's bytes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, RwLock};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Bytes read at a time, on the stack only.
const CHUNK_BYTES: usize = 16 * 1024;

/// Where a connection's peer writes to.
type Writer = Arc<Mutex<WriteHalf<Box<dyn Stream>>>>;
type Writers = Arc<RwLock<HashMap<u32, Writer>>>;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Relays for ever: plain on `tcp`, with TLS on `tls`.
pub async fn run(tcp: SocketAddr, tls: SocketAddr, cert: &Path, key: &Path) -> Result<()> {
    let acceptor = acceptor(cert, key)?;
    let writers = Writers::default();
    let plain = TcpListener::bind(tcp).await?;
    let encrypted = TcpListener::bind(tls).await?;
    loop {
        let writers = Arc::clone(&writers);
        tokio::select! {
            accepted = plain.accept() => {
                let tcp = nodelay(accepted?.0)?;
                tokio::spawn(relay(Box::new(tcp), writers));
            }
            accepted = encrypted.accept() => {
                let (tcp, acceptor) = (nodelay(accepted?.0)?, acceptor.clone());
                tokio::spawn(async move {
                    let stream = Box::pin(acceptor.accept(tcp)).await?;
                    // A task of its own, which holds nothing of the handshake.
                    tokio::spawn(relay(Box::new(stream), writers));
                    Ok::<_, anyhow::Error>(())
                });
            }
        }
    }
}

async fn relay(mut stream: Box<dyn Stream>, writers: Writers) -> Result<()> {
    let number = number(&mut stream).await?;
    stream.write_all(b"\n").await?;
    stream.flush().await?;
    let (mut read, write) = tokio::io::split(stream);
    writers.write().await.insert(number, Arc::new(Mutex::new(write)));
    loop {
        let chunk = chunk(&mut read).await?;
        if chunk.is_empty() {
            writers.write().await.remove(&number);
            return Ok(());
        }
        let peer = writers.read().await.get(&(number ^ 1)).cloned().context("no peer")?;
        let mut peer = peer.lock().await;
        peer.write_all(&chunk).await?;
        peer.flush().await?;
    }
}

async fn number(stream: &mut Box<dyn Stream>) -> Result<u32> {
    let mut digits = String::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => return Ok(digits.parse()?),
            digit if digits.len() < 9 => digits.push(char::from(digit)),
            _ => bail!("no number"),
        }
    }
}

/// Reads without a buffer that outlives the call, so that an idle connection has none.
async fn chunk(read: &mut (impl AsyncRead + Unpin)) -> Result<Bytes> {
    std::future::poll_fn(|task: &mut TaskContext<'_>| {
        let mut space = [0; CHUNK_BYTES];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut *read).poll_read(task, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled()))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn nodelay(tcp: TcpStream) -> Result<TcpStream> {
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert)?.collect();
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain?, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
