//! coturn: a TURN server that shares a secret and knows no users, and its own client.

use std::ffi::OsString;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use super::program::program;
use super::watched::{Watched, free_port};
use crate::DEADLINE;

/// A STUN binding request without attributes (RFC 8489 §5).
const BINDING_REQUEST: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42whimbreltest";

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Coturn {
    /// Its port, UDP and TCP, on 127.0.0.1.
    pub port: u16,
    client: PathBuf,
    _process: Watched,
    _dir: TempDir,
}

impl Coturn {
    /// Starts a server with that `static-auth-secret` and waits until it answers.
    ///
    /// # Errors
    /// When coturn is missing (the error says how to install it) or does not answer.
    pub fn start(secret: &str) -> Result<Self> {
        let (server, client) = (program("turnserver", "coturn")?, program("turnutils_uclient", "coturn")?);
        let dir = tempfile::Builder::new().prefix("whimbrel-coturn-").tempdir()?;
        let port = free_port()?;
        let file = |name: &str| dir.path().join(name).display().to_string();
        let (port_text, log, pid, database) = (port.to_string(), file("log"), file("pid"), file("db"));
        let flags = "-n --use-auth-secret --no-tls --no-dtls --no-cli --allow-loopback-peers --log-file=stdout \
                     --listening-ip=127.0.0.1 --relay-ip=127.0.0.1 --realm=localhost";
        let values =
            ["--listening-port", &port_text, "--static-auth-secret", secret, "--pidfile", &pid, "--userdb", &database];
        let args: Vec<OsString> = flags.split_whitespace().chain(values).map(OsString::from).collect();
        let args: Vec<_> = args.iter().map(OsString::as_os_str).collect();
        let process = Watched::start(&server, &args, log.as_ref())?;
        let server = Self { port, client, _process: process, _dir: dir };
        server.answers()?;
        Ok(server)
    }

    fn answers(&self) -> Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let started = Instant::now();
        while started.elapsed() < DEADLINE {
            // Before it listens, the request is refused or lost; each is one step of a bounded poll.
            if socket.send(&BINDING_REQUEST).is_ok() && socket.recv(&mut [0; 512]).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20)); // tidy: allow sleep, one step of a bounded poll
        }
        bail!("coturn does not answer")
    }

    /// Whether coturn's own client gets a relay and packets through it with these credentials.
    ///
    /// # Errors
    /// When the client says neither.
    pub async fn lets_in(&self, username: &str, password: &str) -> Result<bool> {
        let port = self.port.to_string();
        let mut client = Command::new(&self.client);
        client.args(["-u", username, "-w", password, "-p", &port, "-n", "1", "-m", "1", "-c", "-y", "127.0.0.1"]);
        client.stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || client.output()).await??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if text.contains("Total lost packets 0 ") {
            Ok(true)
        } else if text.contains("Cannot complete Allocation") {
            Ok(false)
        } else {
            bail!("turnutils_uclient says:\n{text}")
        }
    }
}
