//! The server of `bench memory-sessions`: a host in this process on a database in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use server::c2s::listener::connect_in_memory;
use server::config::Config;
use server::host::Host;
use server::provisioning;
use storage::{Db, MasterKeys, Options, accounts};
use time::OffsetDateTime;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use xmpp::sasl::Password;

use crate::client::{Alike, DOMAIN};

/// Accounts made at a time: they share commits.
const ACCOUNTS_AT_A_TIME: usize = 512;
/// How long the last connection may take to go.
const GOING: Duration = Duration::from_secs(30);
/// A host like those of release builds keeps a secret; nobody logs in to accounts that do not exist here.
const SECRET: [u8; 32] = [7; 32];

/// A running host and where its data is.
pub(super) struct Server {
    host: Arc<Host>,
    folder: PathBuf,
    pipe_bytes: usize,
}

impl Server {
    /// A server that refuses nobody for being one too many, and asks nobody whether he is still there.
    pub(super) async fn start(folder: &Path, pipe_bytes: usize) -> Result<Self> {
        let text = format!(
            "[server]\ndomain = \"{DOMAIN}\"\n[c2s]\nallow_plaintext = true\n[limits]\n\
             connections_per_ip_max = \"none\"\npre_auth_connections_max = \"none\"\npre_auth_secs = 600\n\
             idle_secs = 86_400\n"
        );
        let config = Config::from_text(&text, &folder.join("whimbrel.toml"), &[])?;
        let db = Db::open("sqlite:whimbrel.db", folder, &Options::new(MasterKeys::one(SECRET)?)).await?;
        Ok(Self { host: Host::new(config, db, None, SECRET), folder: folder.to_owned(), pipe_bytes })
    }

    /// The client's end of a new connection.
    pub(super) fn connect(&self) -> Result<DuplexStream> {
        connect_in_memory(&self.host, self.pipe_bytes).context("a connection was refused")
    }

    /// Makes accounts `0` to `count - 1` with one set of keys, which is one hashing for all.
    pub(super) async fn create_accounts(&self, count: usize) -> Result<()> {
        let credentials = Arc::new(provisioning::hash(Password::prepare(Alike::PASSWORD)?).await?);
        let now_ms = i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000)?;
        let mut workers = JoinSet::new();
        for first in 0..ACCOUNTS_AT_A_TIME {
            let (db, credentials) = (self.host.db.clone(), Arc::clone(&credentials));
            workers.spawn(async move {
                for number in (first..count).step_by(ACCOUNTS_AT_A_TIME) {
                    let localpart = Alike::localpart(number);
                    let made = accounts::create(&db, &localpart, &credentials, now_ms).await?;
                    made.with_context(|| format!("{localpart} exists"))?;
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        while let Some(done) = workers.join_next().await {
            done??;
        }
        Ok(())
    }

    /// Waits until the last connection has gone.
    pub(super) async fn is_empty(&self) -> Result<()> {
        let end = Instant::now() + GOING;
        while self.host.admission.connections() > 0 {
            if Instant::now() > end {
                bail!("connections do not end");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// What the database and its log take.
    pub(super) fn database_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.folder)? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }
}
