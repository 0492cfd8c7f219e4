//! `whimbreld dev`: a server for one machine and one person who tries things out. The folder it
//! makes is an ordinary one: `whimbreld run` and `whimbreld user` work on it too.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use jid::{DomainPart, NodePart};

use super::init::{self, Layout};
use super::output::{Failure, file_failure, say};
use super::{password, run, user};
use crate::config::template::Template;
use crate::config::{Config, LogConfig, PublicUrl};
use crate::control::DataDirLock;

/// RFC 6120 §14.7; the port for direct TLS is the one above (XEP-0368 §2).
const PORT: u16 = 5222;
/// How far apart the pairs of ports are that are tried, and how many.
const PORT_STEP: usize = 10;
const PORT_PAIRS_MAX: usize = 100;
const NAMES: [&str; 2] = ["alice", "bob"];
const ACCOUNTS_FILE: &str = "dev-accounts.txt";

pub(super) fn dev(dir: &Path) -> Result<(), Failure> {
    let layout = Layout::of(dir);
    if !layout.config.exists() {
        let domain = DomainPart::new("localhost")?;
        init::write(&domain, dir, &Template::on_loopback(domain.as_str()))?;
    }
    let mut config = Config::load(&layout.config)?;
    // Before anything is written for a server that already runs.
    init::private_dir(&config.server.data_dir)?;
    drop(DataDirLock::acquire(&config.server.data_dir)?);

    let moved = choose_ports(&mut config);
    choose_web_ports(&mut config);
    let accounts = accounts(&config, &dir.join(ACCOUNTS_FILE))?;
    config.log = quieter(config.log);
    greet(&config, dir, &accounts, moved);
    run::foreground(config)
}

/// A name and its password.
struct DevAccount {
    localpart: NodePart,
    password: String,
}

/// Reads the accounts of an earlier run, or makes them up; either way they exist afterwards.
fn accounts(config: &Config, file: &Path) -> Result<Vec<DevAccount>, Failure> {
    let mut accounts = Vec::new();
    if file.exists() {
        let text = fs::read_to_string(file).map_err(|error| file_failure("read", file, &error))?;
        for line in text.lines().filter(|line| !line.is_empty()) {
            let account = line.split_once(' ').and_then(|(jid, password)| {
                let localpart = NodePart::new(jid.split('@').next()?).ok()?.into_owned();
                Some(DevAccount { localpart, password: password.to_owned() })
            });
            let Some(account) = account else {
                return Err(Failure::new(format!(
                    "{} holds a line without a name and a password: delete the file",
                    file.display()
                )));
            };
            accounts.push(account);
        }
    } else {
        let mut text = String::new();
        for name in NAMES {
            let account = DevAccount { localpart: NodePart::new(name)?.into_owned(), password: password::generate()? };
            text.push_str(&format!("{}@{} {}\n", account.localpart, config.server.domain, account.password));
            accounts.push(account);
        }
        init::new_file(file, text.as_bytes(), 0o600)?;
    }
    for account in &accounts {
        user::ensure(config, &account.localpart, &password::prepare(&account.password)?)?;
    }
    Ok(accounts)
}

/// Moves a pair of taken ports to the next free pair; says which pair was taken.
fn choose_ports(config: &mut Config) -> Option<(u16, u16)> {
    let wanted: Vec<SocketAddr> = config.c2s.listen.iter().chain(&config.c2s.direct_tls_listen).copied().collect();
    if wanted.iter().copied().all(is_free) {
        return None;
    }
    let pairs = (PORT..=u16::MAX - 1).step_by(PORT_STEP).take(PORT_PAIRS_MAX).map(|port| (port, port + 1));
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (starttls, direct) = pairs.into_iter().find(|&(a, b)| is_free(loopback(a)) && is_free(loopback(b)))?;
    config.c2s.listen = vec![loopback(starttls)];
    config.c2s.direct_tls_listen = vec![loopback(direct)];
    Some((starttls, direct))
}

/// Moves each web port that is taken to the next free one.
fn choose_web_ports(config: &mut Config) {
    let http = &mut config.http;
    let implied = PublicUrl::of(&config.server.domain, &http.tls_listen, &http.listen);
    for address in http.listen.iter_mut().chain(&mut http.tls_listen) {
        let ports = (address.port()..=u16::MAX).step_by(PORT_STEP).take(PORT_PAIRS_MAX);
        let free = ports.map(|port| SocketAddr::new(address.ip(), port)).find(|address| is_free(*address));
        *address = free.unwrap_or(*address);
    }
    if http.public_url == implied {
        http.public_url = PublicUrl::of(&config.server.domain, &http.tls_listen, &http.listen);
    }
}

fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// The summary should stay on the screen: by default only what needs attention is logged.
fn quieter(log: LogConfig) -> LogConfig {
    if log.level == "info" { LogConfig { level: String::from("warn"), ..log } } else { log }
}

fn greet(config: &Config, dir: &Path, accounts: &[DevAccount], moved: Option<(u16, u16)>) {
    let domain = &config.server.domain;
    say("Whimbrel runs on this machine, for this machine only. Ctrl-C stops it.");
    say("");
    if let Some((starttls, direct)) = moved {
        say(format_args!("The usual ports are taken: this one uses {starttls} and {direct} instead."));
        say("");
    }
    for account in accounts {
        let jid = format!("{}@{domain}", account.localpart);
        say(format_args!("  {jid:<16}  password {}", account.password));
    }
    say("");
    for address in &config.c2s.listen {
        say(format_args!("  server            {address} (STARTTLS)"));
    }
    for address in &config.c2s.direct_tls_listen {
        say(format_args!("  server            {address} (TLS from the first byte)"));
    }
    say(format_args!("  web               {}", config.http.public_url.join("/")));
    say(format_args!("  certificate       {} (its own CA: tell your client to trust it)", config.tls.cert.display()));
    say("");
    if let (Some(account), Some(address)) = (accounts.first(), config.c2s.listen.first()) {
        say("In a client, for example profanity:");
        let (ip, port) = (address.ip(), address.port());
        say(format_args!("  /connect {}@{domain} server {ip} port {port} tls trust", account.localpart));
        say("");
    }
    say(format_args!("Another account: whimbreld user add carol --config {}", dir.join("whimbrel.toml").display()));
    say("");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_ports_are_left_alone() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!("[server]\ndomain = \"localhost\"\n[c2s]\nlisten = [\"{}\"]\n", taken.local_addr().unwrap());
        let mut config = Config::from_text(&text, Path::new("whimbrel.toml"), &[]).unwrap();
        config.c2s.direct_tls_listen = Vec::new();
        let (starttls, direct) = choose_ports(&mut config).unwrap();
        assert_eq!(direct, starttls + 1);
        assert_eq!(config.c2s.listen, [SocketAddr::from((Ipv4Addr::LOCALHOST, starttls))]);
        drop(taken);
    }

    #[test]
    fn free_ports_are_kept() {
        let mut config =
            Config::from_text("[server]\ndomain = \"localhost\"\n", Path::new("whimbrel.toml"), &[]).unwrap();
        config.c2s.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.c2s.direct_tls_listen = config.c2s.listen.clone();
        assert_eq!(choose_ports(&mut config), None);
    }
}
