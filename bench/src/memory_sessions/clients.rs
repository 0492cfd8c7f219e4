//! What the clients' half of `bench memory-sessions` costs: the same clients and pipes, and nobody who serves them.

use std::process::Command;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use xmpp::ns;

use super::Options;
use crate::client::{Session, Wire};
use crate::process::OwnMemory;
use crate::work::per;

/// More would not make the mean better.
const CLIENTS_MAX: usize = 100_000;
/// About the longest that a client and the server say at once until the session is there.
const SPOKEN_BYTES: (usize, usize) = (250, 1_500);
/// As long as the one a server gives.
const RESUMPTION_ID: &str = "0123456789abcdef012345";

/// Bytes of memory for each client and its pipe, measured in a process of its own.
pub(super) fn measure(options: &Options) -> Result<f64> {
    let run = Command::new(std::env::current_exe()?)
        .arg("memory-clients")
        .args(["--count", &options.count.min(CLIENTS_MAX).to_string()])
        .args(["--pipe-bytes", &options.pipe_bytes.to_string()])
        .output()?;
    if !run.status.success() {
        bail!("the clients alone: {}", String::from_utf8_lossy(&run.stderr));
    }
    String::from_utf8_lossy(&run.stdout).trim().parse().context("the clients alone give no number")
}

/// Is that process: prints the bytes.
///
/// # Errors
/// When a pipe does not carry what was written.
pub async fn run(options: Options) -> Result<()> {
    drop(client(options.pipe_bytes).await?);
    let mut held = Vec::with_capacity(options.count);
    let before = OwnMemory::at_rest().await?;
    for _ in 0..options.count {
        held.push(client(options.pipe_bytes).await?);
    }
    let after = OwnMemory::at_rest().await?;
    println!("{:.0}", per(super::bytes(after.pss.saturating_sub(before.pss)), held.len()));
    Ok(())
}

/// A client on whose pipe as much was said as at a log-in.
async fn client(pipe_bytes: usize) -> Result<(Session, DuplexStream)> {
    let (end, mut server) = tokio::io::duplex(pipe_bytes);
    let mut wire = Wire::in_memory(end);
    let (client_bytes, server_bytes) = SPOKEN_BYTES;
    let play = async {
        server.read_buf(&mut Vec::with_capacity(client_bytes)).await?;
        let said = format!(
            "<stream:stream version='1.0' xmlns='{}' xmlns:stream='{}'><stream:features>{}</stream:features>",
            ns::CLIENT,
            ns::STREAM,
            " ".repeat(server_bytes)
        );
        server.write_all(said.as_bytes()).await?;
        Ok(())
    };
    tokio::try_join!(wire.open(), play)?;
    wire.push(&" ".repeat(client_bytes));
    wire.flush().await?;
    server.read_exact(&mut vec![0; client_bytes]).await?;
    wire.rest();
    Ok((Session::played(wire, RESUMPTION_ID.to_owned()), server))
}
