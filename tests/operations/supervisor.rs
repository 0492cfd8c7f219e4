//! What systemd hears from the server (sd_notify(3)).

use anyhow::{Context, Result};
use testkit::{DEADLINE, TestServer};
use tokio::net::UnixDatagram;

/// Waits for a message that has this line.
async fn hears(socket: &UnixDatagram, line: &str) -> Result<()> {
    let mut message = [0; 1024];
    let hearing = async {
        loop {
            let length = socket.recv(&mut message).await?;
            let text = String::from_utf8_lossy(message.get(..length).unwrap_or_default());
            if text.lines().any(|said| said == line) {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(DEADLINE, hearing).await.with_context(|| format!("never said {line}"))?
}

#[tokio::test]
async fn systemd_hears_when_it_is_ready_works_and_ends() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    let mut server = TestServer::builder()
        .variable("NOTIFY_SOCKET", &path.to_string_lossy())
        .variable("WATCHDOG_USEC", "200000")
        .start()
        .await?;
    hears(&socket, "READY=1").await?;
    for _ in 0..3 {
        hears(&socket, "WATCHDOG=1").await?;
    }
    let (ended, heard) = tokio::join!(server.terminate(), hears(&socket, "STOPPING=1"));
    ended?;
    heard
}
