//! The tests of the comparison: which rows each fills, for whom, and with how much work.

use std::sync::Arc;

use anyhow::Result;

use crate::client::Account;
use crate::peer::{Figure, Peer, Retention, Running};
use crate::table::Row;
use crate::work::{self, Chat, Hint, Paced};

/// One test, which gets fresh server processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Test {
    /// One message in flight in each pair.
    Message,
    /// Sixteen.
    Window,
    /// Messages that are not to be stored.
    NoStore,
    /// Ours without an archive.
    UntilDelivered,
    /// Idle sessions with TLS.
    IdleTls,
    /// Idle sessions without.
    IdlePlain,
    /// Log-ins one after the other.
    Login,
    /// Everybody reconnects at once.
    Storm,
    /// Messages for those who are not there.
    Offline,
    /// Pages of the archive.
    Archive,
    /// A fixed rate.
    Latency,
    /// A fixed rate with the data on disk.
    Durable,
}

impl Test {
    /// All of them, in the order of the table.
    pub const ALL: &'static [Self] = &[
        Self::Message,
        Self::Window,
        Self::NoStore,
        Self::UntilDelivered,
        Self::IdleTls,
        Self::IdlePlain,
        Self::Login,
        Self::Storm,
        Self::Offline,
        Self::Archive,
        Self::Latency,
        Self::Durable,
    ];

    /// Those in which the database does most of the work.
    pub const ON_DATABASES: &'static [Self] = &[Self::Message, Self::Window, Self::Offline, Self::Archive];

    /// Whether the test means anything for the peer.
    pub fn is_for(self, peer: Peer) -> bool {
        match self {
            // Nobody else promises to have synced before delivery.
            Self::UntilDelivered | Self::Durable => peer == Peer::Whimbrel,
            Self::Message | Self::Window | Self::IdleTls | Self::IdlePlain | Self::Login => true,
            Self::NoStore | Self::Storm | Self::Offline | Self::Archive | Self::Latency => peer.is_server(),
        }
    }

    /// How ours is configured for it.
    pub fn retention(self) -> Retention {
        if self == Self::UntilDelivered { Retention::UntilDelivered } else { Retention::Forever }
    }
}

/// How much of each work.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sessions that talk, two for each pair.
    pub talkers: usize,
    /// Messages that each of them sends.
    pub each: u64,
    /// Idle sessions, the warming tenth included.
    pub idle: usize,
    /// Log-ins one after the other.
    pub logins: usize,
    /// Sessions that reconnect at once.
    pub storm: usize,
    /// Recipients of offline messages (ten for each sender), and messages for each.
    pub offline: (usize, u64),
    /// Accounts whose archives are read, and messages in each.
    pub archives: (usize, u64),
    /// Seconds at a fixed rate.
    pub secs: u32,
}

impl Sizes {
    /// For numbers.
    pub const FULL: Self = Self {
        talkers: 100,
        each: 200,
        idle: 1_100,
        logins: 1_000,
        storm: 1_000,
        offline: (50, 400),
        archives: (20, 1_000),
        secs: 5,
    };
    /// For numbers where a database server takes part: others need some milliseconds a message there.
    pub const ON_DATABASES: Self = Self {
        each: 100,
        idle: 0,
        logins: 0,
        storm: 0,
        offline: (50, 200),
        archives: (10, 1_000),
        secs: 0,
        ..Self::FULL
    };
    /// To see that everything works.
    pub const QUICK: Self =
        Self { talkers: 10, each: 50, idle: 44, logins: 32, storm: 44, offline: (20, 50), archives: (4, 500), secs: 1 };

    /// Accounts that all of this needs.
    pub fn accounts(&self) -> usize {
        self.idle.max(self.storm).max(self.talkers).max(self.offline.0 * 11 / 10)
    }
}

/// Does the work of one test and returns a value for each of its rows.
pub async fn run(
    test: Test,
    running: &Running,
    accounts: &[Arc<Account>],
    sizes: &Sizes,
) -> Result<Vec<(Row, Figure)>> {
    if running.peer == Peer::Floor {
        let found = floor(test, running, sizes).await?;
        return Ok(found.into_iter().map(|(row, value)| (row, value.into())).collect());
    }
    let first = |count: usize| accounts.get(..count).unwrap_or(accounts);
    let talkers = first(sizes.talkers);
    let talk = Chat { in_flight: 1, each: sizes.each, hint: Hint::None, archived: true };
    Ok(match test {
        Test::Message => vec![(Row::Message, work::chat(running, talkers, talk).await?)],
        Test::Window => {
            let talk = Chat { in_flight: 16, ..talk };
            vec![(Row::MessageWindow, work::chat(running, talkers, talk).await?)]
        }
        Test::NoStore => {
            let talk = Chat { hint: Hint::NoStore, archived: false, ..talk };
            vec![(Row::MessageNoStore, work::chat(running, talkers, talk).await?)]
        }
        Test::UntilDelivered => {
            let talk = Chat { archived: false, ..talk };
            vec![(Row::MessageUntilDelivered, work::chat(running, talkers, talk).await?)]
        }
        Test::IdleTls => vec![(Row::IdleTls, work::idle(running, first(sizes.idle), true).await?.into())],
        Test::IdlePlain => vec![(Row::IdlePlain, work::idle(running, first(sizes.idle), false).await?.into())],
        Test::Login => vec![(Row::Login, work::logins(running, first(sizes.idle), sizes.logins).await?.into())],
        Test::Storm => {
            let (resumed, anew) = work::storm(running, first(sizes.storm)).await?;
            vec![(Row::StormResumed, resumed.into()), (Row::StormAnew, anew.into())]
        }
        Test::Offline => {
            let (recipients, each) = sizes.offline;
            let found = work::offline(running, first(recipients * 11 / 10), each).await?;
            vec![(Row::OfflineStored, found.stored_us), (Row::OfflineDelivered, found.delivered_us)]
        }
        Test::Archive => {
            let (readers, messages) = sizes.archives;
            let mut fill = work::fill(running, first(readers), messages / 2).await?;
            let of_50 = work::pages(running, &mut fill, 50, 1).await?;
            vec![(Row::Page50, of_50), (Row::Page250, work::pages(running, &mut fill, 250, 3).await?)]
        }
        Test::Latency => {
            let found = work::paced(running, talkers, Paced { per_sec: 1_000, secs: sizes.secs }).await?;
            vec![(Row::LatencyP50, found.p50_ms.into()), (Row::LatencyP99, found.p99_ms.into())]
        }
        Test::Durable => {
            let found = work::paced(running, talkers, Paced { per_sec: 2_000, secs: sizes.secs }).await?;
            vec![(Row::DurableP50, found.p50_ms.into()), (Row::DurableP99, found.p99_ms.into())]
        }
    })
}

async fn floor(test: Test, running: &Running, sizes: &Sizes) -> Result<Vec<(Row, f64)>> {
    Ok(match test {
        Test::Message => vec![(Row::Message, work::relayed(running, sizes.talkers, 1, sizes.each * 5).await?)],
        Test::Window => vec![(Row::MessageWindow, work::relayed(running, sizes.talkers, 16, sizes.each * 20).await?)],
        Test::IdleTls => vec![(Row::IdleTls, work::relayed_idle(running, sizes.idle, true).await?)],
        Test::IdlePlain => vec![(Row::IdlePlain, work::relayed_idle(running, sizes.idle, false).await?)],
        Test::Login => vec![(Row::Login, work::relayed_handshakes(running, sizes.logins).await?)],
        _ => Vec::new(),
    })
}
