//! Well-formed stanzas that lie or break RFC 6120 §8: some end the stream, most are answered and the stream lives.

use anyhow::{Context, Result, ensure};
use testkit::Client;

use crate::stage::{Stage, last_condition, stanza_error};

async fn mallory(stage: &Stage) -> Result<Client> {
    let mut mallory = stage.server.online("mallory").await?;
    mallory.arrived().await?;
    Ok(mallory)
}

#[tokio::test]
async fn who_speaks_for_others_is_cut_off_unheard() -> Result<()> {
    let mut stage = Stage::new().await?;
    let to = stage.neighbour.bare().to_owned();
    for from in
        ["bob@localhost", "bob@localhost/phone", "mallory@elsewhere.example", "localhost", "mallory@localhost/other"]
    {
        for stanza in [
            format!("<message from='{from}' to='{to}' type='chat'><body>trust me</body></message>"),
            format!("<presence from='{from}' to='{to}'/>"),
            format!("<iq from='{from}' to='{to}' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"),
        ] {
            let mut mallory = mallory(&stage).await?;
            mallory.send(&stanza).await?;
            assert_eq!(last_condition(&mallory.ended().await?)?, "invalid-from", "for {stanza}");
        }
    }
    stage.neighbour.expect_nothing().await?;
    stage.goes_on().await
}

#[tokio::test]
async fn who_speaks_for_itself_may_say_so() -> Result<()> {
    let mut stage = Stage::new().await?;
    let to = stage.neighbour.bare().to_owned();
    let mut mallory = mallory(&stage).await?;
    for from in [mallory.jid().to_owned(), mallory.bare().to_owned()] {
        mallory.send(&format!("<message from='{from}' to='{to}' type='chat'><body>it is me</body></message>")).await?;
        let message = stage.neighbour.message().await?;
        assert_eq!(message.attr("from"), Some(mallory.jid()), "the full JID is stamped (RFC 6120 §8.1.2.1)");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn a_faulty_stanza_is_answered_and_the_stream_lives() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut mallory = mallory(&stage).await?;
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    for (stanza, expected) in [
        // RFC 6120 §8.3.3.8
        (String::from("<message to='a b@@' id='1' type='chat'><body>hi</body></message>"), ("modify", "jid-malformed")),
        (String::from("<presence to='@localhost' id='1'/>"), ("modify", "jid-malformed")),
        (format!("<iq to='' type='get' id='1'>{ping}</iq>"), ("modify", "jid-malformed")),
        (format!("<iq to='localhost/' type='get' id='1'>{ping}</iq>"), ("modify", "jid-malformed")),
        (
            format!("<iq to='{}@localhost' type='get' id='1'>{ping}</iq>", "a".repeat(1_024)),
            ("modify", "jid-malformed"),
        ),
        // §8.2.3 and §8.3.3.1
        (format!("<iq to='localhost' type='get'>{ping}</iq>"), ("modify", "bad-request")),
        (format!("<iq to='localhost' type='ask' id='1'>{ping}</iq>"), ("modify", "bad-request")),
        (format!("<iq to='localhost' id='1'>{ping}</iq>"), ("modify", "bad-request")),
        (format!("<iq to='localhost' type='get' id='1'>{ping}{ping}</iq>"), ("modify", "bad-request")),
        (String::from("<iq to='localhost' type='get' id='1'/>"), ("modify", "bad-request")),
        (String::from("<presence type='elsewhere' id='1'/>"), ("modify", "bad-request")),
        // §8.4
        (
            String::from("<iq to='localhost' type='get' id='1'><x xmlns='urn:x'/></iq>"),
            ("cancel", "service-unavailable"),
        ),
        (
            String::from("<iq to='nobody@localhost' type='get' id='1'><x xmlns='urn:x'/></iq>"),
            ("cancel", "service-unavailable"),
        ),
        // §10.4: no other servers are reached.
        (
            String::from("<message to='a@elsewhere.example' id='1'><body>hi</body></message>"),
            ("cancel", "remote-server-not-found"),
        ),
    ] {
        mallory.send(&stanza).await?;
        let answer = mallory.recv().await.with_context(|| format!("after {stanza:.200}"))?;
        let (kind, condition) = stanza_error(&answer)?;
        ensure!((kind.as_str(), condition.as_str()) == expected, "{kind} {condition} for {stanza:.200}");
        ensure!(answer.attr("type") == Some("error"), "for {stanza:.200}");
        ensure!(answer.attr("id") == stanza.contains("id='1'").then_some("1"), "the id comes back: {stanza:.200}");
        mallory.expect_nothing().await.with_context(|| format!("after {stanza:.200}"))?;
    }
    stage.goes_on().await
}

#[tokio::test]
async fn what_must_not_be_answered_is_not() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut mallory = mallory(&stage).await?;
    let error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    for stanza in [
        format!("<message to='nobody@localhost' type='error' id='1'>{error}</message>"),
        format!("<iq to='nobody@localhost' type='error' id='1'>{error}</iq>"),
        format!("<iq to='a b@@' type='error' id='1'>{error}</iq>"),
        String::from("<iq to='nobody@localhost' type='result' id='1'/>"),
        String::from("<iq to='elsewhere.example' type='result' id='1'/>"),
        String::from("<message to='nobody@localhost' type='error'/>"),
    ] {
        mallory.send(&stanza).await?;
        mallory.expect_nothing().await.with_context(|| format!("after {stanza}"))?;
    }
    stage.goes_on().await
}

#[tokio::test]
async fn an_element_that_is_no_stanza_ends_the_stream() -> Result<()> {
    let mut stage = Stage::new().await?;
    for element in [
        "<letter/>",
        "<message xmlns='jabber:server'/>",
        "<message xmlns='urn:x'/>",
        "<thing xmlns='urn:x'/>",
        "<stream:features/>",
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'/>",
        "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    ] {
        let mut mallory = mallory(&stage).await?;
        mallory.send(element).await?;
        assert_eq!(last_condition(&mallory.ended().await?)?, "unsupported-stanza-type", "for {element}");
    }
    stage.goes_on().await
}
