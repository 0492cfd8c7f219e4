//! Many transfers at once: what they take of memory.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use testkit::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{Stage, pattern};

const TRANSFERS: usize = 200;
const BYTES: usize = 3_000_000;
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// What a process has in memory, in KiB.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_transfers_at_once_take_little_memory() -> Result<()> {
    let builder = TestServer::builder().set("limits.upload_slots_per_account_max", "1000");
    let mut stage = Stage::with(builder).await?;
    let content = Arc::new(pattern(BYTES));
    let there = stage.file(&content).await?;
    let mut slots = Vec::new();
    for _ in 0..TRANSFERS / 2 {
        slots.push(stage.slot(BYTES).await?);
    }
    let pid = stage.server.pid().context("no process")?;
    let before = resident_kib(pid)?;
    let address = stage.server.address("http")?;
    // All begin, and stop in the middle: uploads half sent, downloads unread as far as buffers go.
    let (mut uploads, mut downloads) = (Vec::new(), Vec::new());
    for slot in &slots {
        let (mut socket, path) = stage.raw(slot).await?;
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: {BYTES}\r\n\r\n");
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(&content[..BYTES / 2]).await?;
        uploads.push(socket);
        let path = there.get.splitn(4, '/').nth(3).context("no path")?;
        let mut socket = tokio::net::TcpStream::connect(address).await?;
        socket.write_all(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await?;
        downloads.push(socket);
    }
    crate::stage::until(|| stage.parts().len() == 1 + uploads.len()).await?;
    let halfway = resident_kib(pid)?;
    let finishing = uploads.into_iter().map(|mut socket| {
        let content = content.clone();
        tokio::spawn(async move {
            socket.write_all(&content[BYTES / 2..]).await?;
            let mut head = [0; 12];
            socket.read_exact(&mut head).await?;
            ensure!(&head == b"HTTP/1.1 201", "{}", String::from_utf8_lossy(&head));
            Ok(())
        })
    });
    let reading = downloads.into_iter().map(|mut socket| {
        let content = content.clone();
        tokio::spawn(async move {
            let (mut seen, mut buffer) = (Vec::new(), vec![0; 65_536]);
            let is_whole = |seen: &[u8]| {
                memchr::memmem::find(seen, b"\r\n\r\n").is_some_and(|head| seen.len() >= head + 4 + BYTES)
            };
            while !is_whole(&seen) {
                let read = socket.read(&mut buffer).await?;
                ensure!(read > 0, "it ended after {} bytes", seen.len());
                seen.extend_from_slice(&buffer[..read]);
            }
            ensure!(seen.ends_with(&content), "it is another file");
            Ok(())
        })
    });
    let all: Vec<_> = finishing.chain(reading).collect();
    let mut peak = halfway;
    for transfer in all {
        transfer.await??;
        peak = peak.max(resident_kib(pid)?);
    }
    let grown = peak.saturating_sub(before);
    println!("{TRANSFERS} transfers: {grown} KiB, {} KiB while they stood still", halfway.saturating_sub(before));
    ensure!(grown < GROWTH_KIB_MAX, "{TRANSFERS} transfers took {grown} KiB");
    Ok(())
}
