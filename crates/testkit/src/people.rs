//! Who tests are about: alice, bob and others, logged in to a [`TestServer`].

use anyhow::Result;

use crate::{Client, Component, Login, Security, TestServer};

impl TestServer {
    /// What a client needs to log in over plaintext; change its fields for TLS or a resource.
    ///
    /// # Errors
    /// When the server has no plaintext listener.
    pub fn login(&self, localpart: &str, password: &str) -> Result<Login> {
        Ok(Login {
            domain: self.domain().to_owned(),
            address: self.address("c2s")?,
            security: Security::Plaintext,
            ca: Some(self.ca()),
            localpart: localpart.to_owned(),
            password: password.to_owned(),
            resource: None,
            source: None,
        })
    }

    /// Alice, online; her account is made on first use, her password is `alice`.
    ///
    /// # Errors
    /// When she cannot be added or log in.
    pub async fn alice(&self) -> Result<Client> {
        self.online("alice").await
    }

    /// Bob, online; his account is made on first use, his password is `bob`.
    ///
    /// # Errors
    /// When he cannot be added or log in.
    pub async fn bob(&self) -> Result<Client> {
        self.online("bob").await
    }

    /// Anybody, online, whose password is the name; the account is made on first use.
    ///
    /// # Errors
    /// When the account cannot be added or used.
    pub async fn online(&self, localpart: &str) -> Result<Client> {
        let mut client = self.connected(localpart).await?;
        client.come_online().await?;
        Ok(client)
    }

    /// As [`TestServer::online`], bound to a resource but without presence.
    ///
    /// # Errors
    /// When the account cannot be added or used.
    pub async fn connected(&self, localpart: &str) -> Result<Client> {
        if self.cli(&["user", "show", localpart], "").await?.code != Some(0) {
            self.add_user(localpart, localpart).await?;
        }
        Client::connect(self.login(localpart, localpart)?).await
    }

    /// An external component (XEP-0114) that has authenticated.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn component(&self, jid: &str, secret: &str) -> Result<Component> {
        Component::connect(self.address("components")?, jid, secret).await
    }
}
