//! What a page of 50 messages costs, from the call to the opened messages, over random accounts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use storage::archive::{Filter, Page, Paging, With, page};
use storage::{AccountId, Db};
use tokio::task::JoinSet;

use super::fill::{Archive, BEGIN_MS, Chance, PEERS, SPAN_MS, peer};
use super::times::Times;

const SIZE: u32 = 50;
/// Readers of the last measurement.
const READERS: usize = 4;

/// Which page.
#[derive(Clone, Copy, Debug)]
enum Which {
    Newest,
    /// After a message somewhere in the archive.
    Middle,
    /// The newest with one peer.
    ByPeer,
    /// From some time on.
    ByTime,
}

/// Measures each kind of page, and prints a line for each.
pub(super) async fn measure(db: &Db, archive: &Archive, pages: usize) -> Result<()> {
    // The database has just been started: nobody's page is in memory, and nearly every account is another one.
    let cold = read(db, archive, (Which::Newest, 11), pages / 5).await?;
    println!("newest page, first after the start: {}", Times::of(cold));
    // From here on, what is asked for again and again is.
    for which in [Which::Newest, Which::Middle, Which::ByPeer, Which::ByTime] {
        let times = read(db, archive, (which, 12), pages).await?;
        println!("{which:?} page, one reader: {}", Times::of(times));
    }
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let (db, archive) = (db.clone(), archive.clone());
        let seed = 100 + u64::try_from(number)?;
        readers.spawn(async move { read(&db, &archive, (Which::Middle, seed), pages / READERS).await });
    }
    let mut times = Vec::new();
    while let Some(read) = readers.join_next().await {
        times.extend(read??);
    }
    println!("Middle page, {READERS} readers at once: {}", Times::of(times));
    Ok(())
}

async fn read(db: &Db, archive: &Archive, (which, seed): (Which, u64), pages: usize) -> Result<Vec<Duration>> {
    let mut chance = Chance::new(seed);
    let mut times = Vec::with_capacity(pages);
    while times.len() < pages {
        let owner = archive.any(&mut chance);
        let (filter, paging) = asked(db, which, owner, &mut chance).await?;
        let started = Instant::now();
        let found = page(db, owner, &filter, &paging).await?.context("a message that was there is gone")?;
        times.push(started.elapsed());
        check(which, &found)?;
    }
    Ok(times)
}

/// What a client would ask; finding an id to page from is not measured.
async fn asked(db: &Db, which: Which, owner: AccountId, chance: &mut Chance) -> Result<(Filter, Paging)> {
    let end_of_page = u64::try_from(SPAN_MS)? * 4 / 5;
    let from_some_time =
        Filter { start_ms: Some(BEGIN_MS + i64::try_from(chance.below(end_of_page))?), ..Filter::default() };
    Ok(match which {
        Which::Newest => (Filter::default(), Paging::last(SIZE)),
        Which::ByTime => (from_some_time, Paging::first(SIZE)),
        Which::ByPeer => {
            let with = With { bare: peer(owner, chance.below(PEERS)), resource: None };
            (Filter { with: Some(with), ..Filter::default() }, Paging::last(SIZE))
        }
        Which::Middle => {
            let one = page(db, owner, &from_some_time, &Paging::first(1)).await?.context("no page")?;
            let after = one.messages.first().map(|message| message.id);
            (Filter::default(), Paging { after, ..Paging::first(SIZE) })
        }
    })
}

/// An account has some hundred messages, and some with each peer.
fn check(which: Which, found: &Page) -> Result<()> {
    let expected = match which {
        Which::Newest | Which::Middle | Which::ByTime => usize::try_from(SIZE)?,
        Which::ByPeer => 1,
    };
    ensure!(found.messages.len() >= expected, "{which:?}: a page of {} messages", found.messages.len());
    Ok(())
}
