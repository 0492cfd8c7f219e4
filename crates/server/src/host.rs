//! The bag of ports that rules and connections take what they need from. It has a constructor and no behaviour.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jid::BareJid;
use storage::{Db, IdSource};
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::acme::Answers;
use crate::admin::Audit;
use crate::c2s::admission::Admission;
use crate::c2s::guessing::{self, Guessing};
use crate::clock::Clock;
use crate::component::Components;
use crate::config::Config;
use crate::ext::adhoc::Commands;
use crate::ext::register::Registrations;
use crate::health::Health;
use crate::http::bosh::Bosh;
use crate::media::Media;
use crate::metrics::Metrics;
use crate::pep::Caps;
use crate::routing::Line;
use crate::sessions::Sessions;
use crate::tls::Tls;

/// Everything a running server is made of.
pub struct Host {
    /// The configuration in force.
    pub config: Config,
    /// The domain served, as a JID without localpart.
    pub domain: BareJid,
    /// Structured data.
    pub db: Db,
    /// Cancelled when the server stops.
    pub stopping: CancellationToken,
    /// Counts connections.
    pub admission: Arc<Admission>,
    /// Counts HTTP connections.
    pub http_admission: Arc<Admission>,
    /// BOSH sessions (XEP-0124).
    pub bosh: Arc<Bosh>,
    /// Failed log-ins of late.
    pub guessing: Guessing,
    /// Accounts in use, with what is cached of them.
    pub accounts: Accounts,
    /// Who is connected.
    pub sessions: Sessions,
    /// External components (XEP-0114).
    pub components: Components,
    /// Certificates; None on a server that only speaks plaintext on loopback.
    pub tls: Option<Arc<Tls>>,
    /// What a certificate authority is shown while it looks.
    pub answers: Answers,
    /// The time.
    pub clock: Clock,
    /// Archive ids, increasing.
    pub ids: IdSource,
    /// The order in which messages are stored and delivered.
    pub line: Line,
    /// Ad-hoc commands in progress (XEP-0050).
    pub commands: Commands,
    /// What is written of administration.
    pub audit: Audit,
    /// How many accounts which address registered in-band of late (XEP-0077).
    pub registrations: Registrations,
    /// Whether the server may be given work.
    pub health: Health,
    /// What is counted for the operator.
    pub metrics: Metrics,
    /// What clients upload.
    pub media: Media,
    /// What clients want to be told of, by the hash of their capabilities (XEP-0115).
    pub caps: Caps,
    /// Keys the fake SCRAM salts of unknown users; stable over restarts.
    pub server_secret: [u8; 32],
    /// When the process started, in ms since the epoch (XEP-0012 uptime).
    pub started_ms: i64,
    /// Numbers connections for the log.
    pub connection_ids: AtomicU64,
}

impl Host {
    /// A host around an open database.
    pub fn new(config: Config, db: Db, tls: Option<Arc<Tls>>, server_secret: [u8; 32]) -> Arc<Self> {
        Self::at(Clock::System, config, db, tls, server_secret)
    }

    /// As [`Host::new`], in a time of the caller's.
    pub fn at(clock: Clock, config: Config, db: Db, tls: Option<Arc<Tls>>, server_secret: [u8; 32]) -> Arc<Self> {
        let domain = BareJid::from_parts(None, &config.server.domain);
        let components = Components::new(&config);
        let limits = &config.limits;
        let commands = Commands::new(limits.adhoc_sessions_max, limits.adhoc_session_secs);
        let registrations = Registrations::new(limits.registrations_per_ip_per_hour_max);
        let media = Media::new(&config);
        let caps = Caps::new(limits.caps_entries_max, limits.caps_bytes_max);
        let guessing = Guessing::new(guessing::Bounds {
            per_ip_max: limits.auth_failures_per_ip_per_minute_max,
            per_account_max: limits.auth_failures_per_account_per_minute_max,
        });
        Arc::new(Self {
            domain,
            db,
            stopping: CancellationToken::new(),
            admission: Arc::default(),
            http_admission: Arc::default(),
            bosh: Arc::default(),
            guessing,
            accounts: Accounts::default(),
            sessions: Sessions::default(),
            components,
            tls,
            answers: Answers::default(),
            clock,
            ids: IdSource::seeded(seed()),
            line: Line::default(),
            commands,
            audit: Audit::default(),
            registrations,
            health: Health::default(),
            metrics: Metrics::default(),
            media,
            caps,
            server_secret,
            started_ms: clock.now_ms(),
            connection_ids: AtomicU64::new(1),
            config,
        })
    }

    /// Whether `jid` is one of the configured administrators.
    pub fn is_admin(&self, jid: &BareJid) -> bool {
        self.config.server.admins.contains(jid)
    }
}

/// Random, so that two nodes rarely make the same archive id.
fn seed() -> u32 {
    let [a, b, c, d, ..] = crate::c2s::random_bytes();
    u32::from_be_bytes([a, b, c, d])
}
