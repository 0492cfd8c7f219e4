//! Servers that others wrote, from Debian's packages: each on free ports of loopback, with all it has in a temporary
//! folder. Accounts are registered in-band.

mod ejabberd;
mod process;
mod prosody;

pub use ejabberd::Ejabberd;
pub use prosody::{Exported, Prosody};

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::pattern::show;
use crate::{Client, Login, Security};

/// The domain that each of them serves.
const DOMAIN: &str = "localhost";

/// Makes an account in-band (XEP-0077), and logs in to it.
async fn register(address: SocketAddr, localpart: &str, password: &str) -> Result<Client> {
    let login = Login {
        domain: DOMAIN.to_owned(),
        address,
        security: Security::Plaintext,
        ca: None,
        localpart: localpart.to_owned(),
        password: password.to_owned(),
        resource: None,
        source: None,
    };
    let mut client = Client::open(login.clone()).await?;
    let fields = format!("<username>{localpart}</username><password>{password}</password>");
    let answer = client.iq(&format!("<iq type='set'><query xmlns='jabber:iq:register'>{fields}</query></iq>")).await?;
    ensure!(answer.attr("type") == Some("result"), "{localpart} cannot register: {}", show(&answer));
    drop(client);
    Client::connect(login).await
}
