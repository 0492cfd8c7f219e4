//! A session moves from one transport to another (XEP-0198): nothing is lost, nothing comes twice.

use anyhow::{Context, Result, ensure};
use testkit::TestServer;
use testkit::web::{Bosh, WebSocket};

const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";

fn id_in(enabled: &str) -> Result<String> {
    let id = enabled.split_once(" id='").and_then(|(_, rest)| rest.split('\'').next());
    Ok(id.with_context(|| enabled.to_owned())?.to_owned())
}

fn resume(id: &str, h: u32) -> String {
    format!("<resume xmlns='urn:xmpp:sm:3' h='{h}' previd='{id}'/>")
}

#[tokio::test]
async fn a_session_begun_over_websocket_goes_on_over_bosh_and_back() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("juliet", "juliet").await?;
    let mut alice = server.alice().await?;
    let mut socket = WebSocket::connect(&server).await?;
    socket.log_in("juliet", "juliet").await?;
    socket.bind("phone").await?;
    socket.say(ENABLE).await?;
    let id = id_in(&socket.until("<enabled").await?)?;
    drop(socket);
    alice.send("<message to='juliet@localhost/phone' type='chat'><body>in the tunnel</body></message>").await?;
    alice.round_trip().await?;

    let mut bosh = Bosh::new(&server)?;
    bosh.authenticate("juliet", "juliet").await?;
    let answer = bosh.until(&resume(&id, 0), "in the tunnel").await?;
    ensure!(answer.contains("<resumed"), "{answer}");
    // While the session is on BOSH, it is taken over: the old connection hears of it.
    alice.send("<message to='juliet@localhost/phone' type='chat'><body>once more</body></message>").await?;
    let answer = bosh.until("<a xmlns='urn:xmpp:sm:3' h='1'/>", "once more").await?;
    ensure!(!answer.contains("in the tunnel"), "{answer}");

    let mut socket = WebSocket::connect(&server).await?;
    socket.log_in("juliet", "juliet").await?;
    socket.say(&resume(&id, 2)).await?;
    ensure!(socket.text().await?.starts_with("<resumed"));
    alice.send("<message to='juliet@localhost/phone' type='chat'><body>outside</body></message>").await?;
    let next = socket.until("<message").await?;
    ensure!(next.contains("outside"), "{next}");
    Ok(())
}

#[tokio::test]
async fn a_session_begun_over_tcp_goes_on_over_websocket_and_back() -> Result<()> {
    let server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let mut tcp = server.connected("juliet").await?;
    tcp.enable_sm().await?;
    let id = tcp.sm_id().context("no id")?.to_owned();
    let phone = tcp.cut().jid().to_owned();
    alice.send(&format!("<message to='{phone}' type='chat'><body>one</body></message>")).await?;
    alice.round_trip().await?;

    let mut socket = WebSocket::connect(&server).await?;
    socket.log_in("juliet", "juliet").await?;
    socket.say(&resume(&id, 0)).await?;
    ensure!(socket.text().await?.starts_with("<resumed"));
    ensure!(socket.until("<message").await?.contains("one"));
    socket.say("<a xmlns='urn:xmpp:sm:3' h='1'/>").await?;

    // The other way round, while the WebSocket is open.
    let mut raw = testkit::raw::Raw::connect(server.address("c2s")?).await?;
    raw.open(server.domain()).await?;
    raw.log_in(server.domain(), "juliet", "juliet").await?;
    raw.send(resume(&id, 1)).await?;
    raw.until("<resumed").await?;
    ensure!(socket.until("<stream:error").await?.contains("conflict"));
    alice.send(&format!("<message to='{phone}' type='chat'><body>two</body></message>")).await?;
    let text = raw.until("two").await?;
    ensure!(!text.contains(">one<"), "{text}");
    Ok(())
}
