//! Ports for servers that a test starts.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Result, bail};

/// Where ports are looked for: above those of known services, below what Linux gives to outgoing connections.
const PORT_MIN: u16 = 12_000;
const PORTS: u16 = 20_000;

/// A port of loopback that nobody listens on. A server takes a second until it does, and by then a port of the range
/// from which the system serves everybody would now and then be somebody's: these are below it.
///
/// # Errors
/// When every port is taken.
pub fn free_port() -> Result<u16> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORTS {
        let number = std::process::id().wrapping_mul(61).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let port = PORT_MIN + u16::try_from(number % u32::from(PORTS))?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port between {PORT_MIN} and {} is free", PORT_MIN + PORTS)
}
