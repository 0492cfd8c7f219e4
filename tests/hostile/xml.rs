//! Bytes that are no XML, or XML that XMPP forbids (RFC 6120 §11), from a stranger and from a user.

use anyhow::{Context, Result, ensure};

use crate::stage::{Stage, stream_error};

/// What is sent on an open stream, and the stream error it deserves.
const BAD: &[(&[u8], &str)] = &[
    // RFC 6120 §4.9.3.22: other encodings, and violations of UTF-8's own rules.
    (b"<message><body>\xFF\xFE</body></message>", "unsupported-encoding"),
    (b"<message><body>\xC0\xAF</body></message>", "unsupported-encoding"),
    (b"<message><body>\xED\xA0\x80</body></message>", "unsupported-encoding"),
    (b"<message to='\xF5\x80\x80\x80'/>", "unsupported-encoding"),
    // §4.9.3.2
    (b"<x:message/>", "bad-namespace-prefix"),
    (b"<message><a:b/></message>", "bad-namespace-prefix"),
    (b"<message a:b='c'/>", "bad-namespace-prefix"),
    // §4.9.3.18 and §11.1
    (b"<!DOCTYPE message>", "restricted-xml"),
    (b"<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;&lol;'>]>", "restricted-xml"),
    (b"<message><body>&lol;</body></message>", "restricted-xml"),
    (b"<message to='&lol;'/>", "restricted-xml"),
    (b"<!-- a comment -->", "restricted-xml"),
    (b"<message><!-- a comment --></message>", "restricted-xml"),
    (b"<?php phpinfo() ?>", "restricted-xml"),
    (b"<message><?php phpinfo() ?></message>", "restricted-xml"),
    // §4.9.3.13
    (b"<message></presence>", "not-well-formed"),
    (b"<message><body></message></body>", "not-well-formed"),
    (b"</message>", "not-well-formed"),
    (b"</stream>", "not-well-formed"),
    (b"words between stanzas<message/>", "not-well-formed"),
    (b"<message a='1' a='2'/>", "not-well-formed"),
    (b"<message a=1/>", "not-well-formed"),
    (b"<message a='<'/>", "not-well-formed"),
    (b"<message><body>a ]]> b</body></message>", "not-well-formed"),
    (b"<message><body>\x00</body></message>", "not-well-formed"),
    (b"<message><body>&#0;</body></message>", "not-well-formed"),
    (b"<message><body>&#xD800;</body></message>", "not-well-formed"),
    (b"<message><body>\xEF\xBF\xBF</body></message>", "not-well-formed"),
    (b"< message/>", "not-well-formed"),
    (b"<1message/>", "not-well-formed"),
    (b"<message xmlns:xmlns='urn:x'/>", "not-well-formed"),
    (b"<message xmlns:a='urn:a' xmlns:b='urn:a' a:c='1' b:c='2'/>", "not-well-formed"),
];

#[tokio::test]
async fn a_stranger_who_sends_bad_xml_is_told_what_is_bad_about_it() -> Result<()> {
    let mut stage = Stage::new().await?;
    for (bytes, expected) in BAD {
        let shown = String::from_utf8_lossy(bytes);
        let mut stranger = stage.stranger().await?;
        stranger.send(bytes).await?;
        let condition = stream_error(&stranger.ended().await?).with_context(|| format!("after {shown}"))?;
        ensure!(condition == *expected, "{condition} instead of {expected} for {shown}");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn a_user_who_sends_bad_xml_is_told_what_is_bad_about_it() -> Result<()> {
    let mut stage = Stage::new().await?;
    for (bytes, expected) in BAD {
        let shown = String::from_utf8_lossy(bytes);
        let mut mallory = stage.mallory().await?;
        mallory.send(bytes).await?;
        let condition = stream_error(&mallory.ended().await?).with_context(|| format!("after {shown}"))?;
        ensure!(condition == *expected, "{condition} instead of {expected} for {shown}");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn what_came_before_the_bad_bytes_is_handled_and_nothing_after_them() -> Result<()> {
    let mut stage = Stage::new().await?;
    let to = stage.neighbour.bare().to_owned();
    let mut mallory = stage.mallory().await?;
    let say = |body: &str| format!("<message to='{to}' type='chat'><body>{body}</body></message>");
    mallory.send(format!("{}</nonsense>{}", say("before"), say("after"))).await?;
    assert_eq!(stream_error(&mallory.ended().await?)?, "not-well-formed");
    let message = stage.neighbour.message().await?;
    assert_eq!(message.get_child("body", "jabber:client").map(minidom::Element::text).as_deref(), Some("before"));
    stage.neighbour.expect_nothing().await?;
    stage.goes_on().await
}

#[tokio::test]
async fn unusual_but_correct_xml_is_understood() -> Result<()> {
    let mut stage = Stage::new().await?;
    let to = stage.neighbour.bare().to_owned();
    let mut mallory = stage.mallory().await?;
    let message = format!(
        "\r\n\t <c:message xmlns:c='jabber:client' to=\"{to}\"\n type='chat' ><c:body><![CDATA[<&]]>&#x263A;&amp;</c:body></c:message >"
    );
    mallory.send(message).await?;
    let received = stage.neighbour.message().await?;
    assert_eq!(received.get_child("body", "jabber:client").map(minidom::Element::text).as_deref(), Some("<&\u{263A}&"));
    stage.goes_on().await
}
