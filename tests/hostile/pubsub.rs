//! What is published on an account ends at its bounds (XEP-0060, XEP-0163).

use anyhow::{Context, Result, ensure};
use testkit::{TestServer, TestServerBuilder};

use crate::stage::{Stage, stanza_error};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";

fn low(bounds: &[(&str, &str)]) -> TestServerBuilder {
    bounds.iter().fold(TestServer::builder(), |builder, (name, value)| builder.set(&format!("limits.{name}"), value))
}

fn publish(node: &str, id: &str, payload: &str) -> String {
    let options = "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='pubsub#max_items'>\
                   <value>max</value></field><field var='pubsub#access_model'><value>open</value></field></x></publish-options>";
    format!(
        "<iq type='set'><pubsub xmlns='{PUBSUB}'><publish node='{node}'><item id='{id}'><e xmlns='urn:e'>{payload}</e>\
         </item></publish>{options}</pubsub></iq>"
    )
}

fn owner(children: &str) -> String {
    format!("<iq type='set'><pubsub xmlns='{PUBSUB}#owner'>{children}</pubsub></iq>")
}

#[tokio::test]
async fn ten_thousand_nodes_end_at_the_bound_and_cost_nobody_else_anything() -> Result<()> {
    const NODES: usize = 10_000;
    let mut stage = Stage::new().await?;
    let mut mallory = stage.server.online("mallory").await?;
    let mut stored = 0;
    for first in (0..NODES).step_by(100) {
        let many: String = (first..first + 100).map(|number| publish(&format!("n{number}"), "i", "x")).collect();
        mallory.send(&many.replace("<iq ", "<iq id='p' ")).await?;
        for _ in 0..100 {
            let answer = mallory.until(|stanza| stanza.attr("id") == Some("p")).await?;
            match answer.attr("type") {
                Some("result") => stored += 1,
                _ => assert_eq!(stanza_error(&answer)?, ("cancel".into(), "resource-constraint".into())),
            }
        }
    }
    assert_eq!(stored, server::limits::Limits::default().pubsub_nodes_max);
    stage.goes_on().await
}

/// Requests that fit are answered with a result, and the one that passes the bound with its error.
#[tokio::test]
async fn nodes_items_and_bytes_end_at_their_bounds() -> Result<()> {
    let mut stage = Stage::with(low(&[
        ("pubsub_nodes_max", "2"),
        ("pubsub_items_max", "2"),
        ("pubsub_item_bytes_max", "1_024"),
        ("pubsub_bytes_max", "2_048"),
        ("pubsub_name_bytes_max", "16"),
        ("pubsub_affiliates_max", "1"),
    ]))
    .await?;
    let mut mallory = stage.server.online("mallory").await?;
    let long = "x".repeat(900);
    let affiliation = |jid: &str| {
        owner(&format!("<affiliations node='n'><affiliation jid='{jid}' affiliation='member'/></affiliations>"))
    };
    for (bound, fits, passes, expected) in [
        ("pubsub_item_bytes_max", publish("n", "a", &long), publish("n", "a", &"x".repeat(1_024)), "not-acceptable"),
        ("pubsub_name_bytes_max, id", publish("n", "a", "x"), publish("n", &"i".repeat(17), "x"), "not-acceptable"),
        ("pubsub_name_bytes_max, node", publish("n", "a", "x"), publish(&"n".repeat(17), "a", "x"), "not-acceptable"),
        ("pubsub_nodes_max", publish("m", "a", "x"), publish("o", "a", "x"), "resource-constraint"),
        ("pubsub_affiliates_max", affiliation("a@example.org"), affiliation("b@example.org"), "policy-violation"),
    ] {
        let answer = mallory.iq(&fits).await?;
        ensure!(answer.attr("type") == Some("result"), "{bound}: {answer:?}");
        let error = mallory.iq(&passes).await.context(bound)?;
        assert_eq!(stanza_error(&error)?.1, expected, "{bound}");
    }
    // Of a full node the oldest item goes.
    for id in ["a", "b", "c"] {
        ensure!(mallory.iq(&publish("n", id, "x")).await?.attr("type") == Some("result"));
    }
    let kept = mallory.iq(&format!("<iq type='get'><pubsub xmlns='{PUBSUB}'><items node='n'/></pubsub></iq>")).await?;
    let kept =
        kept.get_child("pubsub", PUBSUB).and_then(|pubsub| pubsub.get_child("items", PUBSUB)).context("items")?;
    assert_eq!(kept.children().map(|item| item.attr("id").unwrap_or_default()).collect::<String>(), "bc");
    // What was replaced makes room.
    for _ in 0..5 {
        ensure!(mallory.iq(&publish("n", "b", &long)).await?.attr("type") == Some("result"));
    }
    let full = mallory.iq(&publish("n", "c", &long)).await?;
    ensure!(full.attr("type") == Some("result"), "{full:?}");
    assert_eq!(stanza_error(&mallory.iq(&publish("m", "d", &long)).await?)?.1, "resource-constraint");
    stage.goes_on().await
}

#[tokio::test]
async fn an_answer_has_no_more_bytes_than_it_may_and_says_what_is_missing() -> Result<()> {
    let stage = Stage::with(low(&[("pubsub_page_bytes_max", "1_024")])).await?;
    let mut mallory = stage.server.online("mallory").await?;
    for id in ["a", "b", "c"] {
        mallory.iq(&publish("n", id, &"x".repeat(600))).await?;
    }
    mallory.iq(&publish("n", "big", &"x".repeat(5_000))).await?;
    let mut read = async |set: &str| -> Result<(String, Option<String>)> {
        let get = format!("<iq type='get'><pubsub xmlns='{PUBSUB}'><items node='n'/>{set}</pubsub></iq>");
        let answer = mallory.iq(&get).await?;
        let pubsub = answer.get_child("pubsub", PUBSUB).context("no answer")?;
        let items = pubsub.get_child("items", PUBSUB).context("no items")?;
        let ids = items.children().map(|item| item.attr("id").unwrap_or_default()).collect();
        let set = pubsub.get_child("set", "http://jabber.org/protocol/rsm");
        Ok((
            ids,
            set.and_then(|set| set.get_child("count", "http://jabber.org/protocol/rsm")).map(|count| count.text()),
        ))
    };
    assert_eq!(read("").await?, ("big".into(), Some("4".into())));
    let before = |id: &str| format!("<set xmlns='http://jabber.org/protocol/rsm'><before>{id}</before></set>");
    assert_eq!(read(&before("big")).await?, ("c".into(), Some("4".into())));
    let after = "<set xmlns='http://jabber.org/protocol/rsm'><after>c</after></set>";
    assert_eq!(read(after).await?, ("big".into(), Some("4".into())));
    Ok(())
}
