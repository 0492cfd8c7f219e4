//! `bench`: the load generator, and the comparison of `whimbreld` with other servers on one machine.
//!
//! Servers run one after the other on loopback, in processes of their own; only their CPU and memory is counted. Every
//! piece of work is checked: each message arrives once and in order, each page has the right count.

mod archive;
mod client;
mod compare;
mod machine;
mod media;
mod memory_sessions;
mod peer;
mod plan;
mod process;
mod relay;
mod sessions;
mod table;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// The allocator of `whimbreld`: where the server is in this process, its memory is what it would be there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures whimbreld, beside other servers
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Give every server the same work and write the table of what it cost
    Compare(compare::Options),
    /// Fill an archive with millions of messages, and measure its pages, and sending while it is purged
    Archive(archive::Options),
    /// Hold many TLS sessions in one server
    Sessions(sessions::Options),
    /// Hold a million sessions of a server in this process, without sockets
    MemorySessions(memory_sessions::Options),
    /// Send a large file up and down over TLS, beside nginx
    Media(media::Options),
    /// What the clients of `memory-sessions` hold, without a server (started by it)
    #[command(hide = true)]
    MemoryClients(memory_sessions::Options),
    /// Be the floor: a relay that looks at nothing (started by `compare`)
    Relay {
        /// Where to listen without TLS
        #[arg(long)]
        tcp: SocketAddr,
        /// Where to listen with TLS
        #[arg(long)]
        tls: SocketAddr,
        /// The certificate, PEM
        #[arg(long)]
        cert: PathBuf,
        /// Its key, PEM
        #[arg(long)]
        key: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    process::raise_descriptor_limit();
    let work = async {
        match Cli::parse().command {
            Command::Compare(options) => compare::run(options).await,
            Command::Archive(options) => archive::run(options).await,
            Command::Sessions(options) => sessions::run(options).await,
            Command::MemorySessions(options) => memory_sessions::run(options).await,
            Command::Media(options) => media::run(options).await,
            Command::MemoryClients(options) => memory_sessions::clients::run(options).await,
            Command::Relay { tcp, tls, cert, key } => relay::run(tcp, tls, &cert, &key).await,
        }
    };
    // Interrupted, the servers that were started are ended and their data is removed, as at the end.
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = terminate.recv() => bail!("terminated"),
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}
