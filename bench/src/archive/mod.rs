//! `bench archive`: an archive of many millions of messages on a disk, what its pages cost, and how long a message
//! takes to be stored, also while old ones are purged. Through the storage crate, as the server uses it.
//!
//! The database stays in its folder: what is filled once can be measured again. Each run starts it anew, and has the
//! operating system forget its files, so that the first pages come from the disk.

mod fill;
mod pages;
mod place;
mod send;
mod times;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use storage::{Db, MasterKeys};

use crate::machine;

/// What `bench archive` is asked for.
#[derive(Debug, Args)]
pub struct Options {
    /// The database: its server is started for this
    #[arg(long)]
    database: place::Database,
    /// The folder in which it is and stays
    #[arg(long)]
    dir: PathBuf,
    /// Messages in all archives
    #[arg(long, default_value_t = 10_000_000)]
    count: u64,
    /// Accounts; five more share a twentieth of the messages
    #[arg(long, default_value_t = 20_000)]
    accounts: usize,
    /// Pages of each kind
    #[arg(long, default_value_t = 5_000)]
    pages: usize,
    /// Messages a second that are sent
    #[arg(long, default_value_t = 500)]
    per_sec: u32,
    /// Seconds for which they are, without and with a purge
    #[arg(long, default_value_t = 30)]
    secs: u32,
    /// MiB of memory that a database server has for itself
    #[arg(long, default_value_t = 4_096)]
    cache_mib: u32,
    /// Fill it, and measure nothing
    #[arg(long)]
    fill_only: bool,
}

/// The same key each time, so that a database can be opened again.
const MASTER_KEY: [u8; 32] = [7; 32];

/// Fills the archive if it is not yet, and measures.
///
/// # Errors
/// When the database does not start or does not do what it is told.
pub async fn run(options: Options) -> Result<()> {
    let place = place::Place::start(options.database, &options.dir, options.cache_mib)?;
    let db = Db::open(place.url(), place.folder(), &storage::Options::new(MasterKeys::one(MASTER_KEY)?)).await?;
    let done = measure(&db, &place, &options).await;
    // In good order, also after a failure: the folder is to be of use again.
    db.close().await;
    place.stop()?;
    done
}

async fn measure(db: &Db, place: &place::Place, options: &Options) -> Result<()> {
    let wanted = fill::Wanted { messages: options.count, accounts: options.accounts };
    let archive = fill::filled(db, place.folder(), wanted).await?;
    if options.fill_only {
        return Ok(());
    }
    println!("{}, load average {:.1}", place.size()?, machine::load());
    pages::measure(db, &archive, options.pages).await?;
    send::measure(db, &archive, send::Rate { per_sec: options.per_sec, secs: options.secs }).await?;
    println!("load average {:.1}", machine::load());
    Ok(())
}
