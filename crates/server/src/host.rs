//! The bag of ports that rules and connections take what they need from. It has a constructor and no behaviour.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jid::BareJid;
use storage::{Db, IdSource};

use crate::accounts::Accounts;
use crate::c2s::admission::Admission;
use crate::component::Components;
use crate::config::Config;
use crate::ext::adhoc::Commands;
use crate::ext::register::Registrations;
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
    /// Counts connections.
    pub admission: Arc<Admission>,
    /// Accounts in use, with what is cached of them.
    pub accounts: Accounts,
    /// Who is connected.
    pub sessions: Sessions,
    /// External components (XEP-0114).
    pub components: Components,
    /// Certificates; None on a server that only speaks plaintext on loopback.
    pub tls: Option<Arc<Tls>>,
    /// Archive ids, increasing.
    pub ids: IdSource,
    /// Ad-hoc commands in progress (XEP-0050).
    pub commands: Commands,
    /// How many accounts which address registered in-band of late (XEP-0077).
    pub registrations: Registrations,
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
        let domain = BareJid::from_parts(None, &config.server.domain);
        let components = Components::new(&config);
        let limits = &config.limits;
        let commands = Commands::new(limits.adhoc_sessions_max, limits.adhoc_session_secs);
        let registrations = Registrations::new(limits.registrations_per_ip_per_hour_max);
        Arc::new(Self {
            domain,
            db,
            admission: Arc::default(),
            accounts: Accounts::default(),
            sessions: Sessions::default(),
            components,
            tls,
            ids: IdSource::seeded(seed()),
            commands,
            registrations,
            server_secret,
            started_ms: crate::clock::now_ms(),
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
