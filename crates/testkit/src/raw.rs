//! A connection without opinions: any bytes go out, and what comes back is kept as text. For tests of what a
//! server does with a peer that is no well-behaved XMPP client.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use crate::scram::{Hash, Scram, nonce};
use crate::{DEADLINE, tls};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// What carries the bytes.
enum Carrier {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Carrier {
    fn stream(&mut self) -> &mut dyn Stream {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => tls,
        }
    }
}

/// A connection; dropping it cuts it.
pub struct Raw {
    carrier: Carrier,
    received: Vec<u8>,
    pace: Pace,
}

/// How bytes are handed to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As many at a time as it takes.
    Whole,
    /// One byte in each write, sent at once.
    SingleBytes,
}

/// What became of bytes without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// Bytes that the connection took before it broke, those in the kernel's buffers included.
    pub accepted_bytes: u64,
}

impl Raw {
    /// Connects over TCP.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Self::connect_with(address, None, None).await
    }

    /// Connects as a client on a narrow line: the kernel holds no more than a few KiB that were not read.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect_narrow(address: SocketAddr) -> Result<Self> {
        Self::connect_with(address, None, Some(4_096)).await
    }

    /// Connects from one of the machine's addresses, such as 127.0.0.2.
    ///
    /// # Errors
    /// When nobody listens, or the machine has no such address.
    pub async fn connect_from(source: IpAddr, address: SocketAddr) -> Result<Self> {
        Self::connect_with(address, Some(source), None).await
    }

    async fn connect_with(address: SocketAddr, source: Option<IpAddr>, receive_bytes: Option<u32>) -> Result<Self> {
        let tcp = dial(address, source, receive_bytes).await?;
        Ok(Self { carrier: Carrier::Tcp(tcp), received: Vec::new(), pace: Pace::Whole })
    }

    /// From now on bytes are sent this way.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone, or takes nothing within the deadline.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let piece_len = match self.pace {
            Pace::Whole => usize::MAX,
            Pace::SingleBytes => 1,
        };
        let sending = async {
            for piece in bytes.as_ref().chunks(piece_len) {
                self.carrier.stream().write_all(piece).await?;
                self.carrier.stream().flush().await?;
            }
            io::Result::Ok(())
        };
        Ok(tokio::time::timeout(DEADLINE, sending).await.context("the server takes no more bytes")??)
    }

    /// Sends `piece` again and again, up to `total_bytes`, until the server breaks the connection.
    ///
    /// # Errors
    /// When all was taken, or the server neither reads nor breaks the connection within the deadline.
    pub async fn flood(&mut self, piece: &[u8], total_bytes: u64) -> Result<Flood> {
        let mut accepted_bytes = 0;
        while accepted_bytes < total_bytes {
            let writing = tokio::time::timeout(DEADLINE, self.carrier.stream().write(piece));
            match writing.await.context("the server neither reads nor breaks the connection")? {
                Ok(written) => accepted_bytes += u64::try_from(written)?,
                Err(_) => return Ok(Flood { accepted_bytes }),
            }
        }
        bail!("all {total_bytes} bytes were taken")
    }

    /// Reads until `text` has come; hands out all that came since the last restart.
    ///
    /// # Errors
    /// When the connection ends before, or the deadline passes.
    pub async fn until(&mut self, text: &str) -> Result<String> {
        self.until_one_of(&[text]).await
    }

    /// As [`Raw::until`], for whichever of several texts comes first.
    ///
    /// # Errors
    /// As [`Raw::until`].
    pub async fn until_one_of(&mut self, texts: &[&str]) -> Result<String> {
        // A text may begin in what was searched already and end in what came since.
        let overlap = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut searched = 0_usize;
        loop {
            let fresh = self.received.get(searched.saturating_sub(overlap)..).unwrap_or_default();
            if texts.iter().any(|text| fresh.windows(text.len()).any(|bytes| bytes == text.as_bytes())) {
                return Ok(self.received());
            }
            searched = self.received.len();
            if !self.read_some().await? {
                bail!("the connection ended before {texts:?}; received: {}", self.received());
            }
        }
    }

    /// Reads until the server has ended the connection; hands out all that came since the last restart.
    ///
    /// # Errors
    /// When it does not end within the deadline of the last byte.
    pub async fn ended(&mut self) -> Result<String> {
        while self.read_some().await? {}
        Ok(self.received())
    }

    /// False at the end of the connection.
    async fn read_some(&mut self) -> Result<bool> {
        // A slow reader stays slow: small reads.
        let mut buffer = [0; 4_096];
        let reading = tokio::time::timeout(DEADLINE, self.carrier.stream().read(&mut buffer));
        match reading.await.with_context(|| format!("nothing more comes after: {}", self.received()))? {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.received.extend_from_slice(buffer.get(..count).unwrap_or_default());
                Ok(true)
            }
            // A server that closes while we still send resets the connection.
            Err(error) if is_end(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The next bytes, as many as asked for; None when the connection ends before the first of them.
    ///
    /// # Errors
    /// When it ends within them, or the deadline passes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Result<Option<Vec<u8>>> {
        while self.received.len() < count {
            if !self.read_some().await? {
                if self.received.is_empty() {
                    return Ok(None);
                }
                bail!("the connection ended within {count} bytes");
            }
        }
        let rest = self.received.split_off(count);
        Ok(Some(std::mem::replace(&mut self.received, rest)))
    }

    /// Forgets what was received up to `text` and with it.
    pub(crate) fn restart_after(&mut self, text: &str) {
        let mut windows = self.received.windows(text.len());
        if let Some(at) = windows.position(|bytes| bytes == text.as_bytes()) {
            self.received.drain(..at + text.len());
        }
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// Forgets what was received: a new stream begins on the connection.
    pub fn restart(&mut self) {
        self.received.clear();
    }

    /// Opens a stream and waits for the features.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn open(&mut self, domain: &str) -> Result<String> {
        self.restart();
        self.send(header(domain)).await?;
        self.until("</stream:features>").await
    }

    /// Shakes hands for TLS; STARTTLS, where it is used, has been answered with `<proceed/>`.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn shake_hands(self, domain: &str, ca: &Path, alpn: Option<&str>) -> Result<Self> {
        let Carrier::Tcp(tcp) = self.carrier else { bail!("the connection is encrypted already") };
        let shaking = tls::connect(tcp, domain, ca, alpn);
        let tls = tokio::time::timeout(DEADLINE, shaking).await.context("the TLS handshake does not end")??;
        Ok(Self { carrier: Carrier::Tls(Box::new(tls)), received: Vec::new(), pace: self.pace })
    }

    /// Begins a TLS handshake with all that a client says first, and says no more.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn begin_handshake(&mut self, domain: &str, ca: &Path) -> Result<()> {
        self.send(tls::client_hello(domain, ca)?).await
    }

    /// Authenticates on an open stream, and opens the stream that follows.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn log_in(&mut self, domain: &str, localpart: &str, password: &str) -> Result<()> {
        self.authenticate(localpart, password).await?;
        self.open(domain).await?;
        Ok(())
    }

    /// Authenticates with SCRAM-SHA-256 on an open stream.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn authenticate(&mut self, localpart: &str, password: &str) -> Result<()> {
        let scram = Scram::new(Hash::Sha256, localpart, password, &nonce()?);
        let first = BASE64.encode(scram.first());
        self.restart();
        self.send(format!("<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>")).await?;
        let answer = self.until("</challenge>").await?;
        let challenge = answer.split('>').nth(1).and_then(|rest| rest.split('<').next()).context("no challenge")?;
        let (last, _) = scram.answer(&decoded(challenge)?)?;
        self.send(format!("<response xmlns='{SASL}'>{}</response>", BASE64.encode(last))).await?;
        self.until("</success>").await?;
        Ok(())
    }

    /// Binds a resource.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn bind(&mut self, resource: &str) -> Result<()> {
        let bind = "urn:ietf:params:xml:ns:xmpp-bind";
        let request =
            format!("<iq type='set' id='bind'><bind xmlns='{bind}'><resource>{resource}</resource></bind></iq>");
        self.send(request).await?;
        self.until("</jid>").await?;
        self.until("</iq>").await?;
        Ok(())
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").field("received", &self.received()).finish_non_exhaustive()
    }
}

/// A connection over TCP, from an address and with a receive buffer where they are given.
pub(crate) async fn dial(address: SocketAddr, source: Option<IpAddr>, receive_bytes: Option<u32>) -> Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let tcp = socket.connect(address).await.with_context(|| format!("connecting to {address}"))?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// The stream header of a client.
#[must_use]
pub fn header(domain: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{}' to='{domain}' version='1.0'>",
        crate::client::STREAMS
    )
}

/// The text inside base64, as a SASL message of SCRAM has it.
///
/// # Errors
/// When it is not base64 of UTF-8.
pub fn decoded(text: &str) -> Result<String> {
    Ok(String::from_utf8(BASE64.decode(text)?)?)
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}
