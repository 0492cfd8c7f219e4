//! What strangers try over BOSH. The rules of numbers and keys are tried in the ledger's own tests.

use anyhow::{Result, ensure};
use testkit::raw::Raw;
use testkit::web::Bosh;
use testkit::{TestServer, http_client};

const BODY: &str = "<body xmlns='http://jabber.org/protocol/httpbind' ";

#[tokio::test]
async fn numbers_out_of_order_out_of_window_and_guessed_sessions_are_refused_alike() -> Result<()> {
    let server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let mut client = Bosh::new(&server)?;
    client.begin("wait='1' hold='1'").await?;
    // A hole that is never filled.
    client.rid += 1;
    ensure!(client.send("").await?.contains("condition='item-not-found'"));
    client.begin("wait='1' hold='1'").await?;
    client.rid += 100;
    ensure!(client.send("").await?.contains("condition='item-not-found'"));
    for sid in ["", "0", &"0".repeat(32), "../../x"] {
        let guess = format!("{BODY}rid='5' sid='{sid}'/>");
        ensure!(client.post(&guess).await?.contains("condition='item-not-found'"), "{sid}");
    }
    alice.round_trip().await
}

#[tokio::test]
async fn a_repeated_request_is_answered_the_same_and_handled_once() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("juliet", "juliet").await?;
    let mut alice = server.alice().await?;
    let mut juliet = Bosh::new(&server)?;
    juliet.log_in("juliet", "juliet", "browser").await?;
    let text = format!(
        "<message xmlns='jabber:client' to='{}'><body>once</body></message>\
         <iq xmlns='jabber:client' type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
        alice.jid()
    );
    let answer = juliet.send(&text).await?;
    ensure!(answer.contains("id='p'"), "{answer}");
    assert_eq!(juliet.repeat("", &text).await?, answer);
    alice.expect("<message from='juliet@localhost/browser'><body>once</body></message>").await?;
    alice.expect_nothing().await
}

#[tokio::test]
async fn a_body_past_the_bound_is_refused_and_users_may_send_more() -> Result<()> {
    let server = TestServer::builder().set("limits.bosh_body_bytes_max", "200000").start().await?;
    server.add_user("juliet", "juliet").await?;
    let client = http_client(&server.ca())?;
    let padded = |bytes| format!("{BODY}rid='5' to='localhost'>{}</body>", " ".repeat(bytes));
    let answer = client.post(server.https_url("/bosh")?).body(padded(20_000)).send().await?;
    assert_eq!(answer.status(), 413);
    let mut juliet = Bosh::new(&server)?;
    juliet.log_in("juliet", "juliet", "browser").await?;
    let text = "x".repeat(100_000);
    let message = format!("<message xmlns='jabber:client' to='juliet@localhost/browser'><body>{text}</body></message>");
    ensure!(juliet.until(&message, "<message").await?.contains(&text));
    let refused = juliet.send(&" ".repeat(300_000)).await.unwrap_err().to_string();
    ensure!(refused.starts_with("413 "), "{refused}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_request_of_bosh_is_a_bad_one() -> Result<()> {
    let server = TestServer::start().await?;
    let client = Bosh::new(&server)?;
    for bad in ["", "hello", "<body/>", "<body rid='1' xmlns='x'/>", &format!("{BODY}/>"), &format!("{BODY}rid='1'>")] {
        ensure!(client.post(bad).await?.contains("condition='bad-request'"), "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_comes_slowly_or_not_to_its_end_is_not_waited_for() -> Result<()> {
    let server = TestServer::builder().set("limits.http_body_secs", "1").start().await?;
    let mut slow = Raw::connect(server.address("http")?).await?;
    slow.send("POST /bosh HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n<body ").await?;
    ensure!(slow.until("\r\n\r\n").await?.starts_with("HTTP/1.1 408 "));
    Ok(())
}

#[tokio::test]
async fn a_session_that_nobody_logs_in_on_ends_like_any_connection() -> Result<()> {
    let server = TestServer::builder().set("limits.pre_auth_secs", "1").start().await?;
    let mut client = Bosh::new(&server)?;
    client.begin("wait='10' hold='1'").await?;
    let answer = client.send("").await?;
    ensure!(answer.contains("connection-timeout") && answer.contains("type='terminate'"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn sessions_are_counted_with_other_strangers() -> Result<()> {
    let server = TestServer::builder().set("limits.pre_auth_connections_max", "1").start().await?;
    let mut first = Bosh::new(&server)?;
    first.begin("wait='10' hold='1'").await?;
    let refused = Bosh::new(&server)?.begin("wait='10' hold='1'").await.unwrap_err().to_string();
    ensure!(refused.starts_with("429 "), "{refused}");
    Ok(())
}
