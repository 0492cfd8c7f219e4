//! `whimbreld check`: tries everything that is configured. Each finding is a line: `ok WHAT`, or
//! `problem WHAT: WHAT TO DO`.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use x509_parser::pem::Pem;
use x509_parser::prelude::{GeneralName, ParsedExtension, X509Certificate};

use super::migrate;
use super::output::{Failure, say};
use crate::config::{Config, MasterKeySource, master_key};
use crate::control;
use crate::tls::Tls;

/// Open files below which a server cannot serve many clients.
const DESCRIPTORS_WANTED: u64 = 4_096;
/// Days before its end when a certificate is a problem already.
const RENEW_DAYS: i64 = 7;

/// One line of the report.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Ok(String),
    Problem(String),
}

pub(super) fn check(file: &Path) -> Result<(), Failure> {
    let mut problems = 0;
    let mut report = |findings: Vec<Finding>| {
        for finding in findings {
            match finding {
                Finding::Ok(what) => say(format_args!("ok {what}")),
                Finding::Problem(what) => {
                    problems += 1;
                    say(format_args!("problem {what}"));
                }
            }
        }
    };
    match Config::load(file) {
        Err(error) => report(vec![Finding::Problem(error.to_string())]),
        Ok(config) => {
            report(settings(&config));
            report(vec![master_key_of(&config)]);
            report(certificate(&config));
            report(vec![data_dir(&config)]);
            report(database(&config));
            report(listeners(&config));
            report(vec![descriptors()]);
        }
    }
    match problems {
        0 => Ok(()),
        1 => Err(Failure::new("1 problem found")),
        many => Err(Failure::new(format!("{many} problems found"))),
    }
}

fn settings(config: &Config) -> Vec<Finding> {
    let mut findings =
        vec![Finding::Ok(format!("configuration {} for {}", config.file.display(), config.server.domain))];
    findings.extend(config.warnings().into_iter().map(Finding::Problem));
    findings
}

fn master_key_of(config: &Config) -> Finding {
    let source = &config.keys.master_key;
    match (source.read(), source) {
        (Err(error), _) => Finding::Problem(error.to_string()),
        (Ok(_), MasterKeySource::File(file)) if master_key::is_exposed(file).unwrap_or(false) => {
            exposed("the master key", file)
        }
        (Ok(_), source) => Finding::Ok(format!("master key {}", source.place())),
    }
}

fn exposed(what: &str, file: &Path) -> Finding {
    let file = file.display();
    Finding::Problem(format!("{what} {file} can be read by other users: chmod 600 {file}"))
}

fn certificate(config: &Config) -> Vec<Finding> {
    let (cert, key) = (&config.tls.cert, &config.tls.key);
    if let Err(error) = Tls::load(cert, key) {
        return vec![Finding::Problem(error.to_string())];
    }
    let mut findings = vec![Finding::Ok(format!("certificate {} and key {}", cert.display(), key.display()))];
    if master_key::is_exposed(key).unwrap_or(false) {
        findings.push(exposed("the private key", key));
    }
    let text = std::fs::read(cert).unwrap_or_default();
    let now = x509_parser::time::ASN1Time::now().timestamp();
    match Pem::iter_from_buffer(&text).next() {
        Some(Ok(pem)) => match pem.parse_x509() {
            Ok(parsed) => findings.extend(certificate_content(&parsed, config.server.domain.as_str(), now)),
            Err(error) => findings.push(Finding::Problem(format!("{} cannot be read: {error}", cert.display()))),
        },
        _ => findings.push(Finding::Problem(format!("{} holds no certificate in PEM", cert.display()))),
    }
    findings
}

/// What a client will look at: the time (seconds since the epoch) and the name.
fn certificate_content(certificate: &X509Certificate<'_>, domain: &str, now: i64) -> Vec<Finding> {
    let validity = certificate.validity();
    let days_left = (validity.not_after.timestamp() - now).div_euclid(86_400);
    let time = if now < validity.not_before.timestamp() {
        Finding::Problem(format!(
            "the certificate is not valid before {}: check this machine's clock",
            validity.not_before
        ))
    } else if days_left < 0 {
        Finding::Problem(format!("the certificate ended on {}: get a new one", validity.not_after))
    } else if days_left < RENEW_DAYS {
        Finding::Problem(format!("the certificate ends in {days_left} days, on {}: renew it", validity.not_after))
    } else {
        Finding::Ok(format!("certificate valid until {} ({days_left} days)", validity.not_after))
    };
    let names = dns_names(certificate);
    let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
    let name = if names.iter().any(|name| name_matches(name, &ascii)) {
        Finding::Ok(format!("certificate names {domain}"))
    } else {
        Finding::Problem(format!("the certificate names {}, not {domain}: get one for {domain}", list(&names)))
    };
    vec![time, name]
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    names
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}

/// RFC 6125 §6.4: a wildcard stands for exactly one label, the leftmost.
fn name_matches(name: &str, domain: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => domain.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => name.eq_ignore_ascii_case(domain),
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { String::from("no domain") } else { names.join(", ") }
}

fn data_dir(config: &Config) -> Finding {
    let dir = &config.server.data_dir;
    if !dir.exists() {
        return Finding::Ok(format!("data folder {} is made at the first start", dir.display()));
    }
    let probe = dir.join(".whimbreld-check");
    let written = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Finding::Ok(format!("data folder {} can be written", dir.display())),
        Err(error) => Finding::Problem(format!(
            "data folder {} cannot be written ({error}): give it to the user that runs whimbreld",
            dir.display()
        )),
    }
}

fn database(config: &Config) -> Vec<Finding> {
    // That the master key cannot be read was said already; without it the database cannot be opened.
    if config.keys.master_key.read().is_err() { Vec::new() } else { vec![opened_database(config)] }
}

fn opened_database(config: &Config) -> Finding {
    let url = storage::without_password(&config.storage.url);
    // Opening would make its tables, perhaps for the wrong user: the first start does that.
    match migrate::pending(config) {
        Err(failure) => return Finding::Problem(failure.to_string()),
        Ok(pending) if pending.first().is_some_and(|first| first.version == 1) => {
            return Finding::Ok(format!("database {url} is made at the first start"));
        }
        Ok(pending) if !pending.is_empty() => {
            return Finding::Ok(format!("database {url} is migrated at the next start"));
        }
        Ok(_) => {}
    }
    match super::user::Accounts::open(config).and_then(|accounts| accounts.count()) {
        Ok(1) => Finding::Ok(format!("database {url}, 1 account")),
        Ok(count) => Finding::Ok(format!("database {url}, {count} accounts")),
        Err(failure) => Finding::Problem(failure.to_string()),
    }
}

fn listeners(config: &Config) -> Vec<Finding> {
    let running = match control::addresses(&config.server.data_dir) {
        Ok(addresses) => addresses.unwrap_or_default(),
        Err(problem) => return vec![Finding::Problem(format!("{problem}: look at its log"))],
    };
    let keys = [
        ("c2s.listen", &config.c2s.listen),
        ("c2s.direct_tls_listen", &config.c2s.direct_tls_listen),
        ("http.listen", &config.http.listen),
        ("http.tls_listen", &config.http.tls_listen),
        ("components.listen", &config.components.listen),
    ];
    keys.into_iter()
        .flat_map(|(key, addresses)| addresses.iter().map(move |address| (key, *address)))
        .map(|(key, address)| listener(key, address, &running))
        .collect()
}

fn listener(key: &str, address: SocketAddr, running: &[SocketAddr]) -> Finding {
    let problem = |what: &str| Finding::Problem(format!("{key} {address} {what}"));
    match TcpListener::bind(address) {
        Ok(_) => Finding::Ok(format!("{key} {address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && running.contains(&address) => {
            Finding::Ok(format!("{key} {address} is held by the running whimbreld"))
        }
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse => problem("is taken by another program: stop that one, or choose another port"),
            ErrorKind::AddrNotAvailable => problem("is no address of this machine: use one of its own, or 0.0.0.0"),
            ErrorKind::PermissionDenied => {
                problem("needs the capability CAP_NET_BIND_SERVICE: grant it, or choose a port above 1023")
            }
            _ => problem(&format!("cannot be listened on: {error}")),
        },
    }
}

fn descriptors() -> Finding {
    match rlimit::getrlimit(rlimit::Resource::NOFILE) {
        Ok((_, hard)) if hard < DESCRIPTORS_WANTED => Finding::Problem(format!(
            "only {hard} files may be open, one a client: raise it to {DESCRIPTORS_WANTED} or more \
             (LimitNOFILE= in the systemd unit, `nofile` in limits.conf)"
        )),
        Ok((_, hard)) => Finding::Ok(format!("{hard} files may be open, one a client")),
        Err(error) => Finding::Problem(format!("the limit of open files cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_for(domain: &str, now_offset_days: i64) -> Vec<Finding> {
        let (cert, _) = crate::tls::self_signed(&[String::from("example.org")]).unwrap();
        let pem = Pem::iter_from_buffer(cert.as_bytes()).next().unwrap().unwrap();
        let now = x509_parser::time::ASN1Time::now().timestamp();
        certificate_content(&pem.parse_x509().unwrap(), domain, now + now_offset_days * 86_400)
    }

    #[test]
    fn a_certificate_must_name_the_domain() {
        assert_eq!(findings_for("example.org", 0)[1], Finding::Ok(String::from("certificate names example.org")));
        let Finding::Problem(line) = &findings_for("example.com", 0)[1] else { panic!("must be a problem") };
        assert_eq!(line, "the certificate names example.org, not example.com: get one for example.com");
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(name_matches("*.example.org", "Chat.example.org"));
        for stranger in ["example.org", "a.chat.example.org", "chat.example.com"] {
            assert!(!name_matches("*.example.org", stranger), "{stranger}");
        }
    }

    #[test]
    fn a_certificate_must_be_valid_now() {
        assert!(matches!(findings_for("example.org", 0)[0], Finding::Ok(_)));
        assert!(matches!(&findings_for("example.org", 40_000)[0], Finding::Problem(what) if what.contains("ended on")));
        assert!(
            matches!(&findings_for("example.org", -40_000)[0], Finding::Problem(what) if what.contains("not valid before"))
        );
    }

    #[test]
    fn a_taken_port_is_a_problem_unless_we_hold_it_ourselves() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert!(matches!(listener("c2s.listen", address, &[address]), Finding::Ok(_)));
        let Finding::Problem(line) = listener("c2s.listen", address, &[]) else { panic!("must be a problem") };
        assert_eq!(
            line,
            format!("c2s.listen {address} is taken by another program: stop that one, or choose another port")
        );
    }
}
