//! What a user sees of an account: the same before and after a move.

use anyhow::{Context, Result, ensure};
use minidom::Element;
use testkit::{Client, Security, TestServer};

/// What an account shows its owner.
#[derive(Debug, PartialEq, Eq)]
pub struct View {
    /// Roster items as text, sorted.
    pub roster: Vec<String>,
    /// The formatted name of the vCard.
    pub name: Option<String>,
    /// The whole archive, oldest first: id, time, sender, text.
    pub archive: Vec<(String, String, String, String)>,
    /// Blocked JIDs, sorted.
    pub blocked: Vec<String>,
}

/// Logs in over TLS with SCRAM, without presence: nothing is delivered yet.
pub async fn log_in(server: &TestServer, localpart: &str, password: &str) -> Result<Client> {
    let mut login = server.login(localpart, password)?;
    login.security = Security::DirectTls;
    login.address = server.address("c2s_tls")?;
    Client::connect(login).await
}

/// Alice and Bob of another server are online and each other's contacts; Alice has a name, a group for Bob and notes.
pub async fn befriended(mut alice: Client, mut bob: Client) -> Result<(Client, Client)> {
    alice.come_online().await?;
    bob.come_online().await?;
    alice.befriend(&mut bob).await?;
    for set in [
        "<query xmlns='jabber:iq:roster'><item jid='bob@localhost' name='Bob'><group>Friends</group></item></query>",
        "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>",
        "<query xmlns='jabber:iq:private'><notes xmlns='urn:notes'>milk</notes></query>",
    ] {
        alice.iq(&format!("<iq type='set'>{set}</iq>")).await?;
    }
    Ok((alice, bob))
}

/// Checks that Alice has here what she had there, and returns what else she has.
pub async fn moved(alice: &mut Client) -> Result<View> {
    let seen = view(alice).await?;
    ensure!(seen.roster == ["bob@localhost Bob both Friends"], "{:?}", seen.roster);
    ensure!(seen.name.as_deref() == Some("Alice"), "{:?}", seen.name);
    let notes = "<iq type='get'><query xmlns='jabber:iq:private'><notes xmlns='urn:notes'/></query></iq>";
    let notes = alice.iq(notes).await?;
    ensure!(format!("{notes:?}").contains("milk"), "{notes:?}");
    Ok(seen)
}

/// All that a client can ask for.
pub async fn view(client: &mut Client) -> Result<View> {
    let roster = client.iq("<iq type='get'><query xmlns='jabber:iq:roster'/></iq>").await?;
    let roster = roster.children().next().context("no roster")?.children().map(item).collect::<Vec<_>>();
    let vcard = client.iq("<iq type='get'><vCard xmlns='vcard-temp'/></iq>").await?;
    let name = vcard.get_child("vCard", "vcard-temp").and_then(|card| card.get_child("FN", "vcard-temp"));
    let blocked = client.iq("<iq type='get'><blocklist xmlns='urn:xmpp:blocking'/></iq>").await?;
    let blocked = blocked.children().next().context("no block list")?;
    Ok(View {
        roster: sorted(roster),
        name: name.map(Element::text),
        archive: archive(client).await?,
        blocked: sorted(blocked.children().filter_map(|item| item.attr("jid").map(str::to_owned)).collect()),
    })
}

/// The whole archive in pages.
pub async fn archive(client: &mut Client) -> Result<Vec<(String, String, String, String)>> {
    let mut messages = Vec::new();
    let mut after = String::new();
    loop {
        let query = format!(
            "<iq type='set'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>50</max>{after}\
             </set></query></iq>"
        );
        let answer = client.iq(&query).await?;
        let fin = answer.get_child("fin", "urn:xmpp:mam:2").context("no <fin/>")?.clone();
        for stanza in client.arrived().await? {
            let Some(result) = stanza.get_child("result", "urn:xmpp:mam:2") else { continue };
            messages.push(archived(result)?);
        }
        if fin.attr("complete") == Some("true") {
            return Ok(messages);
        }
        let last = &messages.last().context("an incomplete page without messages")?.0;
        after = format!("<after>{last}</after>");
    }
}

fn archived(result: &Element) -> Result<(String, String, String, String)> {
    let forwarded = result.get_child("forwarded", "urn:xmpp:forward:0").context("no <forwarded/>")?;
    let stamp = forwarded.get_child("delay", "urn:xmpp:delay").and_then(|delay| delay.attr("stamp"));
    let message = forwarded.get_child("message", "jabber:client").context("no message")?;
    ensure!(message.children().filter(|child| child.name() == "stanza-id").count() == 1, "one stanza-id");
    let from = message.attr("from").unwrap_or_default().split('/').next().unwrap_or_default();
    let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok((owned(result.attr("id")), owned(stamp), from.to_owned(), body(message)))
}

/// The text of a message.
pub fn body(message: &Element) -> String {
    message.get_child("body", "jabber:client").map(Element::text).unwrap_or_default()
}

fn item(item: &Element) -> String {
    let attribute = |name: &str| item.attr(name).unwrap_or("-").to_owned();
    let groups = sorted(item.children().map(Element::text).collect());
    format!("{} {} {} {}", attribute("jid"), attribute("name"), attribute("subscription"), groups.join(","))
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}
