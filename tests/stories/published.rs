//! What two devices publish at once, a contact hears in the order in which it was done (XEP-0163).

use anyhow::{Context, Result};
use minidom::Element;
use testkit::{Client, TestServer};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const EVENT: &str = "http://jabber.org/protocol/pubsub#event";
const INFO: &str = "http://jabber.org/protocol/disco#info";

/// Comes online as a client that wants to be told of a node.
pub async fn listens(client: &mut Client, node: &str) -> Result<()> {
    client
        .send("<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='lie'/></presence>")
        .await?;
    let asked = client.until(|stanza| stanza.is("iq", "jabber:client") && stanza.attr("type") == Some("get")).await?;
    let (id, from) = (asked.attr("id").context("no id")?, asked.attr("from").context("no from")?);
    client
        .send(&format!(
            "<iq type='result' id='{id}' to='{from}'><query xmlns='{INFO}'><identity category='client' type='pc'/>\
             <feature var='{node}+notify'/></query></iq>"
        ))
        .await?;
    client.round_trip().await
}

/// Replays a notification on what is known so far.
fn replay(known: &mut Vec<(String, String)>, event: &Element) -> Result<()> {
    let told = event.children().next().context("an empty event")?;
    if told.name() == "purge" {
        known.clear();
    }
    for change in told.children() {
        let id = change.attr("id").unwrap_or_default().to_owned();
        known.retain(|(other, _)| *other != id);
        if change.name() == "item" {
            known.push((id, change.text() + &change.children().map(Element::text).collect::<String>()));
        }
    }
    Ok(())
}

fn acts(device: u32, seed: u32) -> Vec<String> {
    let mut state = seed;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let act = |number| {
        let (kind, item) = (random(10), random(6));
        let pubsub = match kind {
            0 => format!("<pubsub xmlns='{PUBSUB}#owner'><purge node='urn:n'/></pubsub>"),
            1..=3 => format!(
                "<pubsub xmlns='{PUBSUB}'><retract node='urn:n' notify='1'><item id='{item}'/></retract></pubsub>"
            ),
            _ => format!(
                "<pubsub xmlns='{PUBSUB}'><publish node='urn:n'><item id='{item}'><e xmlns='urn:e'>{device}-{number}</e>\
                 </item></publish></pubsub>"
            ),
        };
        format!("<iq type='set' id='a{number}'>{pubsub}</iq>")
    };
    (0..60).map(act).collect()
}

#[tokio::test]
async fn a_contact_who_replays_what_it_was_told_has_what_is_stored() -> Result<()> {
    let server = TestServer::start().await?;
    let (mut desk, mut bob) = (server.alice().await?, server.bob().await?);
    desk.befriend(&mut bob).await?;
    let mut login = server.login("alice", "alice")?;
    login.resource = Some("phone".into());
    let mut phone = Client::connect(login).await?;
    let create = format!(
        "<iq type='set'><pubsub xmlns='{PUBSUB}'><create node='urn:n'/><configure><x xmlns='jabber:x:data' type='submit'>\
         <field var='pubsub#max_items'><value>max</value></field></x></configure></pubsub></iq>"
    );
    desk.iq(&create).await?;
    listens(&mut bob, "urn:n").await?;
    let mut known = Vec::new();
    for round in 0..5 {
        desk.send(&acts(1, round).concat()).await?;
        phone.send(&acts(2, round + 100).concat()).await?;
        desk.round_trip().await?;
        phone.round_trip().await?;
        for stanza in bob.arrived().await? {
            if let Some(event) = stanza.get_child("event", EVENT) {
                replay(&mut known, event)?;
            }
        }
        let stored = bob
            .iq(&format!(
                "<iq type='get' to='alice@localhost'><pubsub xmlns='{PUBSUB}'><items node='urn:n'/></pubsub></iq>"
            ))
            .await?;
        let items = stored.get_child("pubsub", PUBSUB).and_then(|pubsub| pubsub.get_child("items", PUBSUB));
        let text = |item: &Element| item.children().map(Element::text).collect::<String>();
        let stored: Vec<(String, String)> = items
            .context("no items")?
            .children()
            .map(|item| (item.attr("id").unwrap_or_default().to_owned(), text(item)))
            .collect();
        assert_eq!(known, stored, "round {round}");
    }
    Ok(())
}
