//! The servers that are compared: each started on loopback from a folder of its own, with the same certificate, the
//! archive and stream management on, and no rate limits.

mod database;
mod ejabberd;
mod floor;
mod prosody;
mod spent;
mod whimbreld;

pub use spent::Figure;

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use services::Kind;

use self::database::Database;
use crate::client::Target;
use crate::process::Server;

/// How long a server may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Ours.
    Whimbrel,
    /// The same on PostgreSQL.
    WhimbrelPostgres,
    /// The same on MariaDB.
    WhimbrelMariadb,
    /// From Debian's package.
    Ejabberd,
    /// The same on PostgreSQL.
    EjabberdPostgres,
    /// From Debian's package.
    Prosody,
    /// The bench's own relay.
    Floor,
}

/// How ours is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Everything is archived, as with the other servers.
    Forever,
    /// Nothing remains once it was delivered.
    UntilDelivered,
}

impl Peer {
    /// Whether it speaks XMPP.
    pub fn is_server(self) -> bool {
        self != Self::Floor
    }

    /// The database server that works for it.
    fn database(self) -> Option<Kind> {
        match self {
            Self::WhimbrelPostgres | Self::EjabberdPostgres => Some(Kind::Postgres),
            Self::WhimbrelMariadb => Some(Kind::Mariadb),
            Self::Whimbrel | Self::Ejabberd | Self::Prosody | Self::Floor => None,
        }
    }

    /// The version that is installed: of what it adds to the one it is compared with.
    ///
    /// # Errors
    /// Names the command that installs it when it is missing.
    pub fn version(self) -> Result<String> {
        match self {
            Self::Whimbrel => Ok(format!("Whimbrel {}", env!("CARGO_PKG_VERSION"))),
            Self::WhimbrelPostgres => debian_version("postgresql").map(|version| format!("PostgreSQL {version}")),
            Self::WhimbrelMariadb => debian_version("mariadb-server").map(|version| format!("MariaDB {version}")),
            Self::Ejabberd => debian_version("ejabberd").map(|version| format!("ejabberd {version}")),
            Self::EjabberdPostgres => {
                debian_version("erlang-p1-pgsql")?;
                Self::Ejabberd.version()
            }
            Self::Prosody => debian_version("prosody").map(|version| format!("Prosody {version}")),
            Self::Floor => Ok(String::from("a bare relay")),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whimbrel => "Whimbrel",
            Self::WhimbrelPostgres => "Whimbrel on PostgreSQL",
            Self::WhimbrelMariadb => "Whimbrel on MariaDB",
            Self::Ejabberd => "ejabberd",
            Self::EjabberdPostgres => "ejabberd on PostgreSQL",
            Self::Prosody => "Prosody",
            Self::Floor => "floor",
        })
    }
}

/// A peer that listens.
pub struct Running {
    /// Which one.
    pub peer: Peer,
    /// Its processes.
    pub server: Server,
    database: Option<Database>,
    tcp: SocketAddr,
    tls: SocketAddr,
}

impl Running {
    /// How clients reach it.
    pub fn target(&self, tls: bool) -> Target {
        Target { address: if tls { self.tls } else { self.tcp }, tls, source: None }
    }

    /// Ends it at once; its folder may be removed then.
    pub fn end(self) -> Result<()> {
        drop(self.server);
        self.database.map_or(Ok(()), |database| database.server.stop())
    }
}

/// What a peer is started with.
struct Setup<'a> {
    dir: &'a Path,
    cert: PathBuf,
    key: PathBuf,
    tcp: SocketAddr,
    tls: SocketAddr,
    https: SocketAddr,
    retention: Retention,
    database: Option<&'a services::Database>,
}

/// Starts a peer whose state is in `dir`, and waits until it listens. `dir` is made on the first start.
pub async fn start(peer: Peer, dir: &Path, retention: Retention) -> Result<Running> {
    fs::create_dir_all(dir)?;
    let (cert, key) = certificate(dir)?;
    let database = peer.database().map(|kind| Database::start(kind, dir)).transpose()?;
    if let (Peer::EjabberdPostgres, Some(database)) = (peer, &database) {
        database.make_ejabberd_tables()?;
    }
    let (tcp, tls, https) = (free_address()?, free_address()?, free_address()?);
    let on = database.as_ref().map(|database| &database.database);
    let setup = Setup { dir, cert, key, tcp, tls, https, retention, database: on };
    let command = match peer {
        Peer::Whimbrel | Peer::WhimbrelPostgres | Peer::WhimbrelMariadb => whimbreld::command(&setup)?,
        Peer::Ejabberd | Peer::EjabberdPostgres => ejabberd::command(&setup)?,
        Peer::Prosody => prosody::command(&setup)?,
        Peer::Floor => floor::command(&setup)?,
    };
    let log = dir.join("output.log");
    let mut server = Server::start(command, &log)?;
    let end = Instant::now() + START_DEADLINE;
    for address in [tcp, tls] {
        while TcpStream::connect(address).is_err() {
            if server.has_ended() || Instant::now() > end {
                bail!("{peer} does not start; its output:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(Running { peer, server, database, tcp, tls })
}

/// One self-signed certificate for all, made by `whimbreld init`.
pub fn certificate(dir: &Path) -> Result<(PathBuf, PathBuf)> {
    let made = dir.join("certificate");
    let (cert, key) = (made.join("tls/cert.pem"), made.join("tls/key.pem"));
    if !cert.exists() {
        run(Command::new(whimbreld::binary()?).args(["init", "--domain", crate::client::DOMAIN, "--dir"]).arg(&made))?;
    }
    Ok((cert, key))
}

/// An address of loopback that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn debian_version(package: &str) -> Result<String> {
    let output = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status} ${Version}", package]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    match text.strip_prefix("installed ") {
        Some(version) => Ok(version.to_owned()),
        None => bail!("{package} is not installed: run scripts/setup-servers.sh"),
    }
}
