//! XMPP over BOSH (XEP-0124, XEP-0206).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::web::Bosh;
use testkit::{TestServer, http_client};

#[tokio::test]
async fn two_people_chat_and_the_news_comes_as_soon_as_it_is_there() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("juliet", "juliet").await?;
    let mut alice = server.alice().await?;
    let mut juliet = Bosh::new(&server)?;
    juliet.log_in("juliet", "juliet", "browser").await?;
    juliet.until("<presence xmlns='jabber:client'/>", "<presence").await?;
    let mut asking = juliet.clone();
    let waiting = tokio::spawn(async move { asking.send("").await });
    alice.send("<message to='juliet@localhost/browser' type='chat'><body>hello</body></message>").await?;
    let begun = Instant::now();
    let answer = waiting.await??;
    ensure!(begun.elapsed() < Duration::from_secs(9), "it came with the end of the wait");
    let answer: minidom::Element = answer.parse()?;
    ensure!(answer.is("body", "http://jabber.org/protocol/httpbind"));
    let message = answer.get_child("message", "jabber:client");
    assert_eq!(message.and_then(|message| message.attr("from")), Some(alice.jid()));
    juliet.rid += 1;
    let text = format!("<message xmlns='jabber:client' to='{}'><body>hi</body></message>", alice.jid());
    let leaving = juliet.send_with("type='terminate'", &text);
    ensure!(leaving.await?.contains("type='terminate'"));
    alice.expect("<message from='juliet@localhost/browser'><body>hi</body></message>").await?;
    Ok(())
}

#[tokio::test]
async fn what_is_agreed_on_is_said_at_the_beginning() -> Result<()> {
    let server = TestServer::start().await?;
    let mut client = Bosh::new(&server)?;
    let answer = client.begin("wait='1000' hold='9' ack='1'").await?;
    for said in ["wait='60'", "hold='2'", "requests='3'", "ver='1.11'", "from='localhost'", "ack='1000'"] {
        ensure!(answer.contains(said), "{said} in {answer}");
    }
    ensure!(answer.contains("xmpp:restartlogic='true'") && answer.contains("authid='"), "{answer}");
    // Requests come over many connections: there is nothing to bind SASL to.
    ensure!(answer.contains("SCRAM-SHA-256<") && !answer.contains("-PLUS"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn no_more_is_agreed_on_than_the_operator_allows() -> Result<()> {
    let server = TestServer::builder()
        .set("limits.bosh_wait_secs_max", "7")
        .set("limits.bosh_hold_max", "1")
        .set("limits.bosh_polling_secs", "5")
        .set("limits.bosh_pause_secs_max", "11")
        .start()
        .await?;
    let answer = Bosh::new(&server)?.begin("wait='1000' hold='9'").await?;
    for said in ["wait='7'", "hold='1'", "requests='2'", "polling='5'", "maxpause='11'"] {
        ensure!(answer.contains(said), "{said} in {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_waits_is_answered_with_nothing_when_its_time_is_up() -> Result<()> {
    let server = TestServer::start().await?;
    let mut client = Bosh::new(&server)?;
    client.begin("wait='1' hold='1'").await?;
    let begun = Instant::now();
    let answer = client.send("").await?;
    ensure!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(answer, "<body xmlns='http://jabber.org/protocol/httpbind'/>");
    Ok(())
}

#[tokio::test]
async fn an_error_of_the_stream_is_in_the_last_answer() -> Result<()> {
    let server = TestServer::start().await?;
    let mut client = Bosh::new(&server)?;
    client.begin("wait='10' hold='1'").await?;
    let answer = client.send("<message xmlns='jabber:client'><body>too early</body></message>").await?;
    ensure!(answer.contains("type='terminate' condition='remote-stream-error'"), "{answer}");
    ensure!(answer.contains("<not-authorized"), "{answer}");
    ensure!(client.send("").await?.contains("item-not-found"));
    Ok(())
}

#[tokio::test]
async fn a_client_that_stays_away_is_gone_for_its_contacts() -> Result<()> {
    let server = TestServer::builder().set("limits.bosh_inactivity_secs", "1").start().await?;
    let mut phone = server.connected("juliet").await?;
    let mut juliet = Bosh::new(&server)?;
    juliet.log_in("juliet", "juliet", "browser").await?;
    juliet.send("<presence xmlns='jabber:client'/>").await?;
    phone.send("<presence/>").await?;
    let gone = |presence: &minidom::Element| {
        presence.attr("type") == Some("unavailable") && presence.attr("from") == Some("juliet@localhost/browser")
    };
    phone.until(gone).await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_stops_says_so() -> Result<()> {
    let mut server = TestServer::start().await?;
    server.add_user("juliet", "juliet").await?;
    let mut juliet = Bosh::new(&server)?;
    juliet.log_in("juliet", "juliet", "browser").await?;
    let waiting = tokio::spawn(async move { juliet.send("").await });
    let mut alice = server.alice().await?;
    alice.round_trip().await?;
    server.terminate().await?;
    let answer = waiting.await??;
    ensure!(answer.contains("system-shutdown") && answer.contains("type='terminate'"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_unless_they_are_listed() -> Result<()> {
    let open = TestServer::start().await?;
    let preflight = |server: &TestServer, origin: &'static str| -> Result<_> {
        let url = server.https_url("/bosh")?;
        let request = http_client(&server.ca())?.request(testkit::reqwest::Method::OPTIONS, url);
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        Ok(request.header("access-control-request-headers", "content-type").send())
    };
    let answer = preflight(&open, "https://anywhere.example")?.await?;
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(answer.headers()["access-control-allow-headers"], "content-type");
    let listed = TestServer::builder().set("http.origins", r#"["https://chat.example.org"]"#).start().await?;
    let answer = preflight(&listed, "https://chat.example.org")?.await?;
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://chat.example.org");
    let answer = preflight(&listed, "https://evil.example")?.await?;
    ensure!(answer.headers().get("access-control-allow-origin").is_none());
    Ok(())
}
