//! The control socket: `data_dir/control.sock`, where `whimbreld user` tells a running server what
//! it changed in the database. The database is the truth; a lost word here only delays a change.
//!
//! One request a line, one answer a line:
//! ```text
//! account-changed LOCALPART     ok
//! account-disabled LOCALPART    ok
//! account-imported LOCALPART    ok
//! delete-account LOCALPART      ok
//! device-revoked ID LOCALPART   ok
//! devices-revoked LOCALPART     ok
//! master-key-changed FINGERPRINT ok
//! addresses                     ok 127.0.0.1:5222 127.0.0.1:5223
//! anything else                 error REASON
//! ```

mod lock;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jid::NodePart;
use storage::{DeviceId, Fingerprint};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use lock::{DataDirLock, LockError};

/// The name of the socket in the data folder.
pub const SOCKET: &str = "control.sock";

/// Bytes of one request or answer; a localpart has at most 1,023 (RFC 7622 §3.3).
const LINE_BYTES_MAX: u64 = 2_048;
/// Connections served at a time.
const CONNECTIONS_MAX: usize = 16;
/// How long the command line waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What another process did to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its password changed, or it was created or enabled again.
    AccountChanged(NodePart),
    /// It was disabled: its sessions must end.
    AccountDisabled(NodePart),
    /// All that is its own may have changed: nothing that is cached of it holds, and its sessions must begin anew.
    AccountImported(NodePart),
    /// It is to be deleted by the server, which tells its contacts.
    DeleteAccount(NodePart),
    /// A device of it, or every one, was revoked: its sessions must end.
    DeviceRevoked(NodePart, Option<DeviceId>),
    /// Keys are about to be wrapped with this master key: the server must have it.
    MasterKeyChanged(Fingerprint),
}

impl Event {
    /// The request without its line end.
    fn line(&self) -> String {
        match self {
            Self::AccountChanged(localpart) => format!("account-changed {localpart}"),
            Self::AccountDisabled(localpart) => format!("account-disabled {localpart}"),
            Self::AccountImported(localpart) => format!("account-imported {localpart}"),
            Self::DeleteAccount(localpart) => format!("delete-account {localpart}"),
            Self::DeviceRevoked(localpart, None) => format!("devices-revoked {localpart}"),
            Self::MasterKeyChanged(fingerprint) => format!("master-key-changed {fingerprint}"),
            Self::DeviceRevoked(localpart, Some(device)) => format!("device-revoked {device} {localpart}"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (verb, localpart) = line.split_once(' ')?;
        if verb == "master-key-changed" {
            return Fingerprint::parse(localpart).map(Self::MasterKeyChanged);
        }
        if verb == "device-revoked" {
            let (device, localpart) = localpart.split_once(' ')?;
            let localpart = NodePart::new(localpart).ok()?.into_owned();
            return Some(Self::DeviceRevoked(localpart, Some(DeviceId::parse(device)?)));
        }
        let localpart = NodePart::new(localpart).ok()?.into_owned();
        match verb {
            "account-changed" => Some(Self::AccountChanged(localpart)),
            "account-disabled" => Some(Self::AccountDisabled(localpart)),
            "account-imported" => Some(Self::AccountImported(localpart)),
            "delete-account" => Some(Self::DeleteAccount(localpart)),
            "devices-revoked" => Some(Self::DeviceRevoked(localpart, None)),
            _ => None,
        }
    }
}

/// An event and the way to say that it has taken effect.
#[derive(Debug)]
pub struct Request {
    /// What happened.
    pub event: Event,
    /// Answered once the server has acted; dropping it tells the asker that nothing was done.
    pub done: oneshot::Sender<()>,
}

/// The listening end. The socket file goes when this is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds the control socket of a data folder, readable by its owner only. A socket that an
    /// earlier process left behind is removed: call this while holding the [`DataDirLock`].
    ///
    /// # Errors
    /// What the operating system said.
    pub fn bind(data_dir: &Path) -> std::io::Result<Self> {
        let path = data_dir.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Serves requests for ever: events go to `events`, `addresses` is what the server listens on.
    pub async fn serve(self, addresses: Vec<SocketAddr>, events: mpsc::Sender<Request>) {
        let addresses: std::sync::Arc<[SocketAddr]> = addresses.into();
        let room = std::sync::Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the control socket accepts no connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (addresses, events) = (addresses.clone(), events.clone());
            tokio::spawn(async move {
                let _permit = permit;
                // A command line that hung up has nobody to tell.
                let _ = tokio::time::timeout(ANSWER_TIMEOUT, answer(stream, &addresses, &events)).await;
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, addresses: &[SocketAddr], events: &mpsc::Sender<Request>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    AsyncBufReader::new(read.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    let reply = match line.trim_end() {
        "addresses" => addresses.iter().fold(String::from("ok"), |reply, address| format!("{reply} {address}")),
        line => match Event::parse(line) {
            Some(event) => act(event, events).await,
            None => String::from("error unknown request"),
        },
    };
    write.write_all(format!("{reply}\n").as_bytes()).await
}

async fn act(event: Event, events: &mpsc::Sender<Request>) -> String {
    let (done, acted) = oneshot::channel();
    let sent = events.send(Request { event, done }).await.is_ok();
    if sent && acted.await.is_ok() { String::from("ok") } else { String::from("error the server is shutting down") }
}

/// What became of a word to the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// The server has acted.
    Done,
    /// No server runs on this data folder: it will read the database when it starts.
    NotRunning,
}

/// Tells the server that runs on this data folder, if one does, and waits until it has acted.
///
/// # Errors
/// One line when a server is there but did not act.
pub fn tell(data_dir: &Path, event: &Event) -> Result<Told, String> {
    Ok(ask(data_dir, &event.line())?.map_or(Told::NotRunning, |_| Told::Done))
}

/// The addresses that the server of this data folder listens on; `None` when no server runs.
///
/// # Errors
/// One line when a server is there but did not answer.
pub fn addresses(data_dir: &Path) -> Result<Option<Vec<SocketAddr>>, String> {
    let reply = ask(data_dir, "addresses")?;
    Ok(reply.map(|reply| reply.split(' ').filter_map(|address| address.parse().ok()).collect()))
}

/// Sends one line; the answer without its `ok`, or `None` when nobody listens.
fn ask(data_dir: &Path, line: &str) -> Result<Option<String>, String> {
    let path = data_dir.join(SOCKET);
    let failed = |error: std::io::Error| format!("the running server did not answer on {}: {error}", path.display());
    let mut stream = match BlockingStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(failed)?;
    stream.write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
    let mut reply = String::new();
    BufReader::new(std::io::Read::take(stream, LINE_BYTES_MAX)).read_line(&mut reply).map_err(failed)?;
    match reply.trim_end().split_once(' ') {
        Some(("ok", rest)) => Ok(Some(rest.to_owned())),
        None if reply.trim_end() == "ok" => Ok(Some(String::new())),
        Some(("error", reason)) => Err(format!("the running server refused: {reason}")),
        _ => Err(format!("the running server did not answer on {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> NodePart {
        NodePart::new("alice").unwrap().into_owned()
    }

    async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work).await.unwrap()
    }

    #[tokio::test]
    async fn the_command_line_waits_until_the_server_has_acted() {
        let dir = tempfile::tempdir().unwrap();
        let (events, mut received) = mpsc::channel(1);
        let control = Control::bind(dir.path()).unwrap();
        let serving = tokio::spawn(control.serve(vec!["127.0.0.1:5222".parse().unwrap()], events));

        let path = dir.path().to_owned();
        let telling = tokio::spawn(in_thread(move || tell(&path, &Event::AccountDisabled(alice()))));
        let request = received.recv().await.unwrap();
        assert_eq!(request.event, Event::AccountDisabled(alice()));
        assert!(!telling.is_finished());
        request.done.send(()).unwrap();
        assert_eq!(telling.await.unwrap(), Ok(Told::Done));

        let path = dir.path().to_owned();
        let listening = in_thread(move || addresses(&path)).await.unwrap();
        assert_eq!(listening, Some(vec!["127.0.0.1:5222".parse().unwrap()]));

        let path = dir.path().to_owned();
        assert!(in_thread(move || ask(&path, "make-coffee now")).await.unwrap_err().contains("unknown request"));
        let path = dir.path().to_owned();
        assert!(in_thread(move || ask(&path, &"x".repeat(100_000))).await.is_err(), "a request is bounded");
        serving.abort();
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(tell(dir.path(), &Event::AccountChanged(alice())), Ok(Told::NotRunning));
        // A socket that a killed server left behind is the same, and is replaced by the next one.
        let left_behind = std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET)).unwrap();
        drop(left_behind);
        assert_eq!(tell(dir.path(), &Event::AccountChanged(alice())), Ok(Told::NotRunning));
        let control = Control::bind(dir.path()).unwrap();
        let mode = fs::metadata(dir.path().join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(control);
        assert!(!dir.path().join(SOCKET).exists());
    }

    #[test]
    fn every_event_survives_the_line() {
        let device = DeviceId::parse("00000000deadbeef");
        for event in [
            Event::AccountChanged(alice()),
            Event::AccountDisabled(alice()),
            Event::AccountImported(alice()),
            Event::DeleteAccount(alice()),
            Event::DeviceRevoked(alice(), device),
            Event::DeviceRevoked(alice(), None),
            Event::MasterKeyChanged(Fingerprint::parse("00000000deadbeef").unwrap()),
        ] {
            assert_eq!(Event::parse(&event.line()), Some(event));
        }
        assert_eq!(Event::parse("account-changed"), None);
        assert_eq!(Event::parse("account-changed a@b"), None);
        assert_eq!(Event::parse("device-revoked alice"), None);
        assert_eq!(Event::parse("device-revoked x alice"), None);
        assert_eq!(Event::parse("master-key-changed alice"), None);
    }
}
