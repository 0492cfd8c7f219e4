//! A server on a virtual clock with a database in memory, and the users on it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use server::clock::Clock;
use server::config::Config;
use server::host::Host;
use storage::accounts::{Credentials, ScramKeys};
use storage::roster::{Item, Subscription};
use storage::{AccountId, Db, InlineOptions};
use tokio::time::Instant;

use crate::link::Login;
use crate::random::Random;
use crate::record::{Record, User};

pub const DOMAIN: &str = "example.org";
/// 2026-01-01, when every run begins.
const EPOCH_MS: i64 = 1_767_225_600_000;
/// Later writes succeed.
const WRITES_WITH_FAULTS: u64 = 120;
const NAMES: [&str; 3] = ["alice", "bob", "carol"];

pub struct World {
    pub host: Arc<Host>,
    pub logins: Vec<Login>,
    pub accounts: Vec<AccountId>,
    /// How many bytes are under way each way of a connection.
    pub pipe_bytes: usize,
    has_faults: bool,
    began: Instant,
    record: Mutex<Record>,
}

impl World {
    pub async fn new(random: &mut Random) -> Arc<Self> {
        let began = Instant::now();
        let faults = faults(random);
        let has_faults = !faults.is_empty();
        let db = Db::open_inline(InlineOptions { seed: random.next(), full_at: faults }).unwrap();
        let config = config(random);
        let host = Host::at(Clock::Timers { epoch_ms: EPOCH_MS, began }, config, db, None, [7; 32]);
        let users = random.index(2) + 2;
        let logins: Vec<Login> = NAMES.iter().take(users).zip(1..).map(|(name, n)| login(name, n)).collect();
        let mut accounts = Vec::new();
        for login in &logins {
            let keys = keys(login);
            let credentials = Credentials { sha1: keys.clone(), sha256: keys };
            accounts.push(storage::accounts::create(&host.db, &login.name, &credentials, 0).await.unwrap().unwrap());
        }
        // Some are each other's contacts, so that presence goes between them.
        for (user, account) in accounts.iter().enumerate() {
            for contact in logins.iter().enumerate().filter(|(other, _)| *other != user).map(|(_, login)| login) {
                let item = Item {
                    jid: format!("{}@{DOMAIN}", contact.name),
                    subscription: if users == 2 { Subscription::Both } else { Subscription::None },
                    in_roster: true,
                    ..Item::default()
                };
                storage::roster::upsert(&host.db, *account, &item).await.unwrap();
            }
        }
        let pipe_bytes = random.pick(&[96, 700, 4096, 4096, 65_536]);
        Arc::new(Self { host, logins, accounts, pipe_bytes, has_faults, began, record: Mutex::default() })
    }

    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock()
    }

    pub fn log(&self, line: impl std::fmt::Display) {
        let ms = self.began.elapsed().as_millis();
        self.record().log.push(format!("{ms:>7} {line}"));
    }

    pub fn problem(&self, text: impl Into<String>) {
        let text = text.into();
        self.log(format!("PROBLEM {text}"));
        self.record().problems.push(text);
    }

    /// There is room on the disk from here on.
    pub async fn mend(&self) {
        let writes = if self.has_faults { WRITES_WITH_FAULTS } else { 0 };
        for _ in 0..writes {
            let _ = self.host.db.settle().await;
        }
    }

    pub fn bare(&self, user: User) -> String {
        format!("{}@{DOMAIN}", self.logins[user].name)
    }
}

/// Which writes find no room on the disk.
fn faults(random: &mut Random) -> Vec<u64> {
    let faults = if random.percent(35) { random.within(1, 5) } else { 0 };
    (0..faults).map(|_| random.within(20, WRITES_WITH_FAULTS)).collect()
}

fn config(random: &mut Random) -> Config {
    let text = format!("[server]\ndomain = \"{DOMAIN}\"\n[c2s]\nallow_plaintext = true\n");
    let mut config = Config::from_text(&text, Path::new("whimbrel.toml"), &[]).unwrap();
    if random.percent(20) {
        config.limits.session_queue_stanzas_max = 16;
    }
    if random.percent(20) {
        config.limits.sm_queue_stanzas_max = 30;
    }
    if random.percent(30) {
        config.limits.csi_queue_stanzas_max = 2;
    }
    config
}

fn login(name: &str, number: u8) -> Login {
    Login { name: name.to_owned(), client_key: [number; 32] }
}

fn keys(login: &Login) -> ScramKeys {
    let bytes = |byte| Bytes::from(vec![byte; 32]);
    ScramKeys { salt: bytes(1), iterations: 1, stored_key: login.stored_key().into(), server_key: bytes(2) }
}
