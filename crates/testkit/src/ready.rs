//! The line that a server prints once it can be reached.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};

/// `ready domain=localhost c2s=127.0.0.1:40001,127.0.0.1:40002` as listeners and addresses.
pub(crate) fn parse_ready(line: &str) -> Result<BTreeMap<String, Vec<SocketAddr>>> {
    let mut ready = BTreeMap::new();
    for word in line.split_whitespace().skip(1) {
        let (key, value) = word.split_once('=').context("a word without =")?;
        if key != "domain" {
            let addresses: Result<Vec<SocketAddr>, _> = value.split(',').map(str::parse).collect();
            ready.insert(key.to_owned(), addresses?);
        }
    }
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_every_listener() {
        let ready = parse_ready("ready domain=localhost c2s=127.0.0.1:1,[::1]:2 components=127.0.0.1:3").unwrap();
        assert_eq!(ready["c2s"].len(), 2);
        assert_eq!(ready["components"], ["127.0.0.1:3".parse().unwrap()]);
        assert!(parse_ready("ready c2s=nowhere").is_err());
    }
}
