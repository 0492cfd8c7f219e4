//! Where a database server is and how it is spoken to: the `[storage] url` of PostgreSQL and MySQL.
//!
//! `postgres://user:password@host:port/database?sslmode=...&sslrootcert=FILE`, and the same with `mysql://`. A socket
//! on this machine is `?host=/DIRECTORY` (PostgreSQL) or `?socket=FILE` (MySQL).

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::{db::Error, dialect::Dialect};

/// A database on a server.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) dialect: Dialect,
    pub(crate) host: Host,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) database: String,
    pub(crate) tls: TlsMode,
    /// A file of certificates in PEM that the server's must lead to, in place of the system's.
    pub(crate) root_cert: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Tcp { name: String, port: u16 },
    Socket(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// Everything in clear.
    Disable,
    /// Encrypted; the certificate is checked only if `sslrootcert` names what it must lead to, its name never.
    Require,
    /// Encrypted, certificate and name are checked.
    VerifyFull,
}

// The password never, and nothing else that helps to log in.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.dialect.scheme();
        match &self.host {
            Host::Tcp { name, port } => write!(f, "{scheme}://{name}:{port}/{}", self.database),
            Host::Socket(path) => write!(f, "{scheme}://{}/{}", path.display(), self.database),
        }
    }
}

impl Address {
    /// Reads a URL. `password` replaces the one in it; relative files are in `data_dir`.
    pub(crate) fn parse(dialect: Dialect, url: &str, password: Option<&str>, data_dir: &Path) -> Result<Self, Error> {
        // What the parser says of a mistake would be of little help, what it was given may hold the password.
        let url = Url::parse(url).map_err(|_| mistake(dialect, "it is no URL"))?;
        let mut options = Options::default();
        for (name, value) in url.query_pairs() {
            options.set(dialect, &name, &value, data_dir)?;
        }
        let host = match (options.socket, url.host_str()) {
            (Some(path), _) => Host::Socket(path),
            (None, Some(name)) if !name.is_empty() => {
                let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
                Host::Tcp { name, port: url.port().unwrap_or(dialect.port()) }
            }
            (None, _) => return Err(mistake(dialect, "it names no host")),
        };
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(String::from).map_err(|_| mistake(dialect, "user, password and database must be UTF-8"))
        };
        let user = decode(url.username())?;
        if user.is_empty() {
            return Err(mistake(dialect, "it names no user"));
        }
        let database = decode(url.path().trim_start_matches('/'))?;
        if database.is_empty() || database.contains('/') {
            return Err(mistake(dialect, "it names no database"));
        }
        let password = match password {
            Some(password) => Some(password.to_owned()),
            None => url.password().map(decode).transpose()?,
        };
        let tls = options.tls.unwrap_or(if host.is_here() { TlsMode::Disable } else { TlsMode::VerifyFull });
        Ok(Self { dialect, host, user, password, database, tls, root_cert: options.root_cert })
    }
}

impl Host {
    /// Whether nothing leaves this machine.
    fn is_here(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Tcp { name, .. } => {
                name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

#[derive(Default)]
struct Options {
    tls: Option<TlsMode>,
    root_cert: Option<PathBuf>,
    socket: Option<PathBuf>,
}

impl Options {
    fn set(&mut self, dialect: Dialect, name: &str, value: &str, data_dir: &Path) -> Result<(), Error> {
        match (name, dialect) {
            ("sslmode", _) => {
                self.tls = Some(match value {
                    "disable" => TlsMode::Disable,
                    "require" => TlsMode::Require,
                    "verify-full" => TlsMode::VerifyFull,
                    _ => return Err(mistake(dialect, "sslmode is disable, require or verify-full")),
                });
            }
            ("sslrootcert", _) => self.root_cert = Some(data_dir.join(value)),
            ("host", Dialect::Postgres) | ("socket", Dialect::Mysql) => {
                if !value.starts_with('/') {
                    return Err(mistake(dialect, "the path of a socket begins with /"));
                }
                self.socket = Some(PathBuf::from(value));
            }
            _ => {
                return Err(mistake(dialect, "it has an unknown option; sslmode and sslrootcert are known"));
            }
        }
        Ok(())
    }
}

fn mistake(dialect: Dialect, problem: &str) -> Error {
    let scheme = dialect.scheme();
    Error::Url(format!("{problem}; write {scheme}://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, Error> {
        let dialect = if url.starts_with("mysql") { Dialect::Mysql } else { Dialect::Postgres };
        Address::parse(dialect, url, None, Path::new("/data"))
    }

    #[test]
    fn a_url_says_who_where_and_how() {
        let address =
            parse("postgres://ann%40x:p%40ss%2F@db.example.org/chat?sslmode=require&sslrootcert=ca.pem").unwrap();
        assert_eq!(address.host, Host::Tcp { name: "db.example.org".into(), port: 5432 });
        assert_eq!((address.user.as_str(), address.password.as_deref()), ("ann@x", Some("p@ss/")));
        assert_eq!((address.database.as_str(), address.tls), ("chat", TlsMode::Require));
        assert_eq!(address.root_cert, Some(PathBuf::from("/data/ca.pem")));
        let address = parse("mysql://ann@[::1]:3307/chat").unwrap();
        assert_eq!(address.host, Host::Tcp { name: "::1".into(), port: 3307 });
    }

    #[test]
    fn nothing_leaves_this_machine_in_clear_unless_it_is_asked_for() {
        for (url, expected) in [
            ("postgres://a:b@127.0.0.1/c", TlsMode::Disable),
            ("mysql://a:b@localhost/c", TlsMode::Disable),
            ("postgres://a@ignored/c?host=/run/postgresql", TlsMode::Disable),
            ("mysql://a@ignored/c?socket=/run/mysqld/mysqld.sock", TlsMode::Disable),
            ("mysql://a:b@10.0.0.1/c", TlsMode::VerifyFull),
            ("postgres://a:b@db/c", TlsMode::VerifyFull),
            ("postgres://a:b@db/c?sslmode=disable", TlsMode::Disable),
        ] {
            assert_eq!(parse(url).unwrap().tls, expected, "{url}");
        }
    }

    #[test]
    fn a_password_from_elsewhere_replaces_the_one_in_the_url() {
        let url = "postgres://ann:old@localhost/chat";
        let address = Address::parse(Dialect::Postgres, url, Some("new"), Path::new("/")).unwrap();
        assert_eq!(address.password.as_deref(), Some("new"));
    }

    #[test]
    fn no_word_about_an_address_tells_its_password() {
        assert_eq!(
            parse("postgres://ann:secret@localhost/chat").unwrap().to_string(),
            "postgres://localhost:5432/chat"
        );
        for url in [
            "postgres://ann:secret@localhost",
            "postgres://ann:secret@/chat",
            "postgres://:secret@localhost/chat",
            "postgres://ann:secret@local host/chat",
            "postgres://ann:secret@localhost:port/chat",
            "postgres://ann:secret@localhost/chat?sslmode=prefer",
            "mysql://ann:secret@localhost/chat?host=/run",
            "postgres://ann:secret@localhost/chat?password=secret",
        ] {
            let error = parse(url).err().unwrap().to_string();
            assert!(!error.contains("secret") && error.lines().count() == 1, "{error}");
            assert!(error.starts_with("storage url: "), "{error}");
        }
    }
}
