//! Where a [`TestServer`] can be reached.

use std::net::SocketAddr;

use anyhow::{Result, anyhow};

use crate::TestServer;

impl TestServer {
    /// The first address of a listener by its name in the `ready` line: `c2s`, `c2s_tls`, `components`,
    /// `http`, `https`.
    ///
    /// # Errors
    /// When the server has no such listener.
    pub fn address(&self, listener: &str) -> Result<SocketAddr> {
        let found = self.ready.get(listener).and_then(|addresses| addresses.first());
        found.copied().ok_or_else(|| anyhow!("the server has no listener {listener}: {:?}", self.ready))
    }

    /// `path` on its plain HTTP listener; it begins with a slash.
    ///
    /// # Errors
    /// When the server has no such listener.
    pub fn http_url(&self, path: &str) -> Result<String> {
        Ok(format!("http://{}{path}", self.address("http")?))
    }

    /// `path` on its HTTPS listener, which [`http_client`](crate::http_client) trusts.
    ///
    /// # Errors
    /// When the server has no such listener.
    pub fn https_url(&self, path: &str) -> Result<String> {
        Ok(format!("https://{}{path}", self.address("https")?))
    }
}
