//! XEP-0215 with coturn at the other end: what a client is given lets it in, and nothing else does.

use std::time::Duration;

use anyhow::{Context, Result};
use server::config::Secret;
use server::turn::credentials;
use services::Coturn;
use testkit::TestServer;

const NS: &str = "urn:xmpp:extdisco:2";
const SECRET: &str = "a long secret that both know";

#[tokio::test]
async fn coturn_relays_for_a_client_with_the_credentials_it_was_given() -> Result<()> {
    let coturn = Coturn::start(SECRET)?;
    let services = format!(r#"["stun:127.0.0.1:{port}", "turn:127.0.0.1:{port}?transport=udp"]"#, port = coturn.port);
    let server = TestServer::builder()
        .set("turn.services", &services)
        .set("turn.secret", &format!("\"{SECRET}\""))
        .start()
        .await?;
    let mut alice = server.alice().await?;
    let request = format!("<iq type='get' id='t' to='localhost'><services xmlns='{NS}'/></iq>");
    let answer = alice.iq(&request).await?;
    let listed: Vec<_> = answer.get_child("services", NS).context("no services")?.children().collect();
    let kinds: Vec<_> = listed.iter().filter_map(|service| service.attr("type")).collect();
    assert_eq!(kinds, ["stun", "turn"]);
    let [stun, turn] = listed.as_slice() else { anyhow::bail!("not two services") };
    assert_eq!(stun.attr("password"), None, "STUN asks for none");
    let username = turn.attr("username").context("no username")?;
    let password = turn.attr("password").context("no password")?;
    assert!(!username.contains("alice"), "{username} tells the TURN server whose it is");
    assert!(coturn.lets_in(username, password)?, "{}", server.log());
    assert!(!coturn.lets_in(username, "wrong")?);
    let later = format!("9{username}");
    assert!(!coturn.lets_in(&later, password)?, "who changes the expiry needs another password");
    let secret = Secret::new(String::from(SECRET));
    let expired = credentials(&secret, "alice", 1_700_000_000_000, Duration::from_secs(60));
    assert!(!coturn.lets_in(&expired.username, &expired.password)?, "its time is over");
    Ok(())
}
