//! A server from its configuration to its end: binding, serving, signals, draining.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jid::{BareJid, NodePart};
use storage::{Db, Options, Reread};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use xmpp::error::StreamError;

use crate::c2s::listener::{self, Kind};
use crate::component;
use crate::config::{Config, MasterKeyError, PublicUrl};
use crate::control::{Control, Event, Request};
use crate::devices;
use crate::host::Host;
use crate::http::{self, Scheme};
use crate::mailbox;
use crate::provisioning;
use crate::tls::{Tls, TlsError};

/// How often certificate files are looked at.
const CERTIFICATE_CHECK: Duration = Duration::from_secs(5);
/// How long sessions may take to write their last bytes when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// A write went past the size that files may have; tokio has no name for it.
const SIGXFSZ: SignalKind = SignalKind::from_raw(25);

/// Why a server did not start. Each reads as one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database.
    #[error("{0}")]
    Storage(#[from] storage::Error),
    /// Certificate or key.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The master key.
    #[error("{0}")]
    MasterKey(#[from] MasterKeyError),
    /// A port.
    #[error("{key}: cannot listen on {address}: {why}")]
    Listen {
        /// The setting.
        key: &'static str,
        /// The address it names.
        address: SocketAddr,
        /// What is in the way, and what to do about it.
        why: String,
    },
    /// The control socket, signals.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// The listeners of a server, bound.
struct Listeners {
    starttls: Vec<TcpListener>,
    direct_tls: Vec<TcpListener>,
    components: Vec<TcpListener>,
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
}

/// Runs a server until a signal ends it. Prints one line to standard output once it can be reached:
/// `ready domain=... c2s=... c2s_tls=... components=... http=... https=...`.
pub async fn serve(mut config: Config) -> Result<(), RunError> {
    let listeners = Listeners {
        starttls: bind("c2s.listen", &config.c2s.listen).await?,
        direct_tls: bind("c2s.direct_tls_listen", &config.c2s.direct_tls_listen).await?,
        components: bind("components.listen", &config.components.listen).await?,
        http: bind("http.listen", &config.http.listen).await?,
        https: bind("http.tls_listen", &config.http.tls_listen).await?,
    };
    if config.http.public_url == PublicUrl::of(&config.server.domain, &config.http.tls_listen, &config.http.listen) {
        // Where the system chose the ports, they are known now.
        let (tls, plain) = (local(&listeners.https)?, local(&listeners.http)?);
        config.http.public_url = PublicUrl::of(&config.server.domain, &tls, &plain);
    }
    let options = database_options(&config)?;
    let tls = Arc::new(Tls::load(&config.tls.cert, &config.tls.key)?);
    let db = Db::open(&config.storage.url, &config.server.data_dir, &options).await?;
    storage::accounts::finish_deletions(&db).await?;
    let control = Control::bind(&config.server.data_dir)?;
    let newest = storage::archive::newest(&db).await?;
    let server_secret = db.secret("unknown accounts")?;
    let host = Host::new(config, db, Some(tls), server_secret);
    // The clock may have been set back since.
    newest.into_iter().for_each(|id| host.ids.go_past(id));
    host.accounts.look_for_one_hash(&host.db).await?;
    run(host, listeners, control).await
}

async fn run(host: Arc<Host>, listeners: Listeners, control: Control) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Where files have a greatest size (`ulimit -f`), a write past it shall fail like one to a full disk. Left to itself,
    // the signal ends the process; caught, nobody needs to hear of it.
    let _file_too_large = signal(SIGXFSZ)?;
    let ready = ready_line(&host, &listeners)?;
    let addresses = addresses(&listeners)?;
    let mut accepting = tokio::task::JoinSet::new();
    for listener in listeners.starttls {
        accepting.spawn(listener::serve(host.clone(), listener, Kind::Starttls));
    }
    for listener in listeners.direct_tls {
        accepting.spawn(listener::serve(host.clone(), listener, Kind::DirectTls));
    }
    for listener in listeners.components {
        accepting.spawn(component::serve(host.clone(), listener));
    }
    let router = http::router(host.clone());
    for (listener, scheme) in of_scheme(listeners.http, Scheme::Http).chain(of_scheme(listeners.https, Scheme::Https)) {
        accepting.spawn(http::listener::serve(host.clone(), listener, scheme, router.clone()));
    }
    let (events, mut requests) = mpsc::channel(16);
    accepting.spawn(control.serve(addresses, events));
    accepting.spawn(mailbox::purge_forever(host.clone()));
    if let Some(tls) = host.tls.clone() {
        accepting.spawn(tls.watch(CERTIFICATE_CHECK));
    }
    println!("{ready}");
    tracing::info!("{ready}");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&host),
            Some(request) = requests.recv() => {
                tokio::spawn(account_changed(host.clone(), request));
            }
        }
    }
    tracing::info!("stopping");
    accepting.shutdown().await;
    drain(&host).await;
    host.db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Opening the database with the master key and the bounds of `[limits]`.
pub(crate) fn database_options(config: &Config) -> Result<Options, MasterKeyError> {
    // SQLite counts in pages of 4 KiB, and has no more than 2^32 - 2 of them.
    let pages_max = u32::try_from(config.limits.database_bytes_max / 4096).ok();
    let password = config.storage.password.as_ref().map(|password| storage::Password(password.expose().to_owned()));
    let source = config.keys.master_key.clone();
    let master_keys = source.read()?;
    let reread = Reread::new(move || source.read().map_err(|error| error.to_string()));
    Ok(Options { pages_max, password, reread: Some(reread), ..Options::new(master_keys) })
}

/// SIGHUP
fn reload(host: &Host) {
    let Some(tls) = &host.tls else { return };
    match tls.reload() {
        Ok(()) => tracing::info!("the certificate was read again"),
        Err(error) => tracing::warn!(%error, "the old certificate stays in use"),
    }
}

async fn refresh(host: &Host, localpart: &NodePart) {
    if let Err(error) = host.accounts.refresh(&host.db, localpart.as_str()).await {
        tracing::warn!(%error, "the account could not be read again");
    }
}

/// The command line has changed an account in the database, or wants one deleted.
async fn account_changed(host: Arc<Host>, request: Request) {
    let jid = |localpart: &NodePart| BareJid::from_parts(Some(localpart), host.domain.domain());
    match &request.event {
        Event::AccountChanged(localpart) => refresh(&host, localpart).await,
        Event::AccountDisabled(localpart) => {
            refresh(&host, localpart).await;
            provisioning::end_sessions(&host, &jid(localpart), &provisioning::disabled(), None);
        }
        Event::AccountImported(localpart) => {
            if let Err(error) = host.accounts.reload(&host.db, localpart.as_str()).await {
                tracing::warn!(%error, "the account could not be read again");
            }
            provisioning::end_sessions(&host, &jid(localpart), &provisioning::imported(), None);
        }
        Event::DeviceRevoked(localpart, device) => devices::end_sessions(&host, localpart.as_str(), *device),
        Event::MasterKeyChanged(fingerprint) => {
            if !host.db.has_master_key(*fingerprint).await {
                tracing::warn!(%fingerprint, "the new master key is not at hand");
                return;
            }
        }
        Event::DeleteAccount(localpart) => {
            if let Err(error) = provisioning::delete(&host, &jid(localpart), None).await {
                // Unanswered, the command line says that it was not done.
                tracing::warn!(%error, "the account was not deleted");
                return;
            }
        }
    }
    // The command line may have given up waiting; the change holds all the same.
    let _ = request.done.send(());
}

/// What every stream ends with when the server stops (RFC 6120 §4.9.3.20).
pub(crate) fn shutdown() -> StreamError {
    StreamError::with_text("system-shutdown", "the server is stopping")
}

/// Every session ends with `system-shutdown`; what is queued for it is written first.
async fn drain(host: &Arc<Host>) {
    host.stopping.cancel();
    host.components.close_all(&shutdown());
    for session in host.sessions.all() {
        session.end(shutdown());
    }
    let empty = async {
        while host.sessions.count() > 0 || host.admission.connections() + host.http_admission.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        host.components.all_closed().await;
    };
    if tokio::time::timeout(DRAIN, empty).await.is_err() {
        tracing::warn!(sessions = host.sessions.count(), "some sessions did not end in time");
    }
}

async fn bind(key: &'static str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, RunError> {
    let mut listeners = Vec::new();
    for &address in addresses {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let why = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("another program uses the port; stop it, or set {key} to a free one")
                }
                std::io::ErrorKind::PermissionDenied => {
                    format!(
                        "this user may not use the port; choose one above 1023 in {key}, or grant CAP_NET_BIND_SERVICE"
                    )
                }
                std::io::ErrorKind::AddrNotAvailable => format!("this machine has no such address; mend {key}"),
                _ => error.to_string(),
            };
            RunError::Listen { key, address, why }
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn addresses(listeners: &Listeners) -> std::io::Result<Vec<SocketAddr>> {
    let xmpp = listeners.starttls.iter().chain(&listeners.direct_tls).chain(&listeners.components);
    xmpp.chain(&listeners.http).chain(&listeners.https).map(TcpListener::local_addr).collect()
}

fn local(listeners: &[TcpListener]) -> std::io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}

fn of_scheme(listeners: Vec<TcpListener>, scheme: Scheme) -> impl Iterator<Item = (TcpListener, Scheme)> {
    listeners.into_iter().map(move |listener| (listener, scheme))
}

fn ready_line(host: &Host, listeners: &Listeners) -> std::io::Result<String> {
    let mut line = format!("ready domain={}", host.domain);
    let kinds = [
        ("c2s", &listeners.starttls),
        ("c2s_tls", &listeners.direct_tls),
        ("components", &listeners.components),
        ("http", &listeners.http),
        ("https", &listeners.https),
    ];
    for (name, listeners) in kinds {
        let addresses: Vec<String> = local(listeners)?.iter().map(SocketAddr::to_string).collect();
        if !addresses.is_empty() {
            line.push_str(&format!(" {name}={}", addresses.join(",")));
        }
    }
    Ok(line)
}
