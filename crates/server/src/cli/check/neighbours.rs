//! The servers that clients or this one are pointed to: whether anybody is there. TURN and STUN servers are asked for an
//! address (RFC 8489 §2), of the others it is tried whether they take a connection.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use url::Url;

use super::Finding;
use crate::config::Config;
use crate::turn::{Kind, Service, Transport};

/// How long each may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a lost packet is sent again.
const ATTEMPTS: u32 = 3;
/// A STUN binding request without attributes, up to its transaction id (RFC 8489 §5).
const BINDING_REQUEST: [u8; 8] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];

/// A line for each.
pub(super) fn reached(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = config.turn.services.iter().map(service).collect();
    if let Some(endpoint) = &config.traces.otlp_endpoint {
        findings.push(collector(endpoint));
    }
    if let Some(acme) = &config.tls.acme {
        findings.push(page("tls.acme.directory", &acme.directory, "the certificate would not be renewed"));
    }
    findings
}

fn service(service: &Service) -> Finding {
    let Service { kind, host, port, transport } = service;
    let name = format!("turn.services {}:{host}:{port} over {}", kind.name(), transport.name());
    let answer = match (kind, transport) {
        // DTLS is no packet that could simply be sent.
        (Kind::Stuns | Kind::Turns, Transport::Udp) => return Finding::Ok(format!("{name} is not tried: it is DTLS")),
        (_, Transport::Udp) => binding(host, *port),
        (_, Transport::Tcp) => connect(host, *port),
    };
    match answer {
        Ok(()) => Finding::Ok(format!("{name} answers")),
        Err(error) => Finding::Problem(format!(
            "{name} does not answer ({error}): start it, open its port, or take it out of turn.services"
        )),
    }
}

fn collector(endpoint: &str) -> Finding {
    page("traces.otlp_endpoint", endpoint, "traces would be lost")
}

/// Whether a connection to the host of a URL can be made.
fn page(key: &str, url: &str, else_what: &str) -> Finding {
    let place = Url::parse(url).ok();
    let place = place.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let Some((host, port)) = place else { return Finding::Problem(format!("{key} {url} is no URL of a server")) };
    match connect(host.trim_matches(['[', ']']), port) {
        Ok(()) => Finding::Ok(format!("{key} {host}:{port} takes connections")),
        Err(error) => Finding::Problem(format!("{key} {host}:{port} takes no connection ({error}): {else_what}")),
    }
}

fn connect(host: &str, port: u16) -> io::Result<()> {
    tried(host, port, |address| TcpStream::connect_timeout(&address, PATIENCE).map(drop))
}

/// Asks a STUN server for our address; what it answers does not matter.
fn binding(host: &str, port: u16) -> io::Result<()> {
    let request: Vec<u8> = BINDING_REQUEST.into_iter().chain(crate::c2s::random_bytes().into_iter().take(12)).collect();
    tried(host, port, |address| {
        let any: SocketAddr =
            if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(PATIENCE / ATTEMPTS))?;
        let mut answer = Err(io::ErrorKind::TimedOut.into());
        for _ in 0..ATTEMPTS {
            answer = socket.send(&request).and_then(|_| socket.recv(&mut [0; 512])).map(drop);
            if answer.is_ok() {
                break;
            }
        }
        answer.map_err(|error| match error.kind() {
            // What a timeout is called here.
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    })
}

/// The first address that does it; else what is wrong with the last.
fn tried(host: &str, port: u16, attempt: impl Fn(SocketAddr) -> io::Result<()>) -> io::Result<()> {
    let mut last = Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for address in (host, port).to_socket_addrs()? {
        last = attempt(address);
        if last.is_ok() {
            break;
        }
    }
    last
}
