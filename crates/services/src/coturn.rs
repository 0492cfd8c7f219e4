//! coturn: a TURN server that shares a secret and knows no users, and its own client.

use std::{
    net::UdpSocket,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{folder, keeper::Keeper, port::free_port, program};

/// A STUN binding request without attributes (RFC 8489 §5).
const BINDING_REQUEST: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42whimbreltest";
/// How long the server may take to answer; the machine may be busy.
const START: Duration = Duration::from_secs(30);

/// A running server. It ends, and its folder goes, when this process does or when it is dropped.
pub struct Coturn {
    /// Its port, UDP and TCP, on 127.0.0.1.
    pub port: u16,
    client: PathBuf,
    _keeper: Keeper,
}

impl Coturn {
    /// Starts a server with that `static-auth-secret` and waits until it answers.
    ///
    /// # Errors
    /// When coturn is missing (the error says how to install it) or does not answer.
    pub fn start(secret: &str) -> Result<Self> {
        let (server, client) = (program::find("turnserver", "coturn")?, program::find("turnutils_uclient", "coturn")?);
        let folder = folder::create("coturn")?;
        let port = free_port()?;
        let flags = "-n --use-auth-secret --no-tls --no-dtls --no-cli --allow-loopback-peers --log-file=stdout \
                     --listening-ip=127.0.0.1 --relay-ip=127.0.0.1 --realm=localhost";
        let mut command = vec![server.display().to_string()];
        command.extend(flags.split_whitespace().map(str::to_owned));
        command.extend(["--listening-port".to_owned(), port.to_string()]);
        command.extend(["--static-auth-secret".to_owned(), secret.to_owned()]);
        for (option, name) in [("--pidfile", "pid"), ("--userdb", "db")] {
            command.extend([option.to_owned(), folder.join(name).display().to_string()]);
        }
        let keeper = Keeper::start(&folder, "KILL", &command)?;
        let server = Self { port, client, _keeper: keeper };
        server.answers()?;
        Ok(server)
    }

    fn answers(&self) -> Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let started = Instant::now();
        while started.elapsed() < START {
            // Before it listens, the request is refused or lost.
            if socket.send(&BINDING_REQUEST).is_ok() && socket.recv(&mut [0; 512]).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("coturn does not answer")
    }

    /// Whether coturn's own client gets a relay and packets through it with these credentials. Takes some seconds.
    ///
    /// # Errors
    /// When the client says neither.
    pub fn lets_in(&self, username: &str, password: &str) -> Result<bool> {
        let port = self.port.to_string();
        let mut client = Command::new(&self.client);
        client.args(["-u", username, "-w", password, "-p", &port, "-n", "1", "-m", "1", "-c", "-y", "127.0.0.1"]);
        let output = client.stdin(Stdio::null()).output()?;
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
