//! Reading an archive to its end (XEP-0313), as a client that synchronises does.

use anyhow::{Context, Result, ensure};
use minidom::Element;

use crate::Client;
use crate::pattern::show;
use crate::scram::nonce;

const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";
const FORWARD: &str = "urn:xmpp:forward:0";
const CLIENT: &str = "jabber:client";
/// Messages asked for at a time.
const PAGE: usize = 250;

/// A message as an archive has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Its stanza-id.
    pub id: String,
    /// Its sender's JID.
    pub from: String,
    /// Its recipient's JID.
    pub to: String,
    /// Its body.
    pub body: String,
}

/// Everything in the archive of the client's account that is newer than `after`, oldest first; and what else arrived
/// meanwhile, in its order.
///
/// # Errors
/// When the server refuses, or says that the last page was no last page without giving an end to go on from.
pub async fn archived_after(client: &mut Client, after: Option<&str>) -> Result<(Vec<Archived>, Vec<Element>)> {
    let (mut archive, mut others) = (Vec::new(), Vec::new());
    let mut after = after.map(str::to_owned);
    loop {
        let id = nonce()?;
        let from_here = after.as_deref().map(|id| format!("<after>{id}</after>")).unwrap_or_default();
        client
            .send(&format!(
                "<iq type='set' id='{id}'><query xmlns='{MAM}' queryid='{id}'><set xmlns='{RSM}'><max>{PAGE}</max>{from_here}</set></query></iq>"
            ))
            .await?;
        let fin = loop {
            let element = client.recv_any().await?;
            if element.name() == "iq" && element.attr("id") == Some(&id) {
                break element;
            }
            match result(&element, &id) {
                Some(archived) => archive.push(archived),
                None => others.push(element),
            }
        };
        let page = fin.get_child("fin", MAM).with_context(|| format!("no page: {}", show(&fin)))?;
        if page.attr("complete") == Some("true") {
            return Ok((archive, others));
        }
        let last = page.get_child("set", RSM).and_then(|set| set.get_child("last", RSM)).map(Element::text);
        ensure!(last.is_some() && last != after, "a page that leads nowhere: {}", show(&fin));
        after = last;
    }
}

/// The message in an answer to the query `queryid`.
fn result(element: &Element, queryid: &str) -> Option<Archived> {
    let result = element.get_child("result", MAM).filter(|result| result.attr("queryid") == Some(queryid))?;
    let message = result.get_child("forwarded", FORWARD)?.get_child("message", CLIENT)?;
    let attribute = |name: &str| message.attr(name).unwrap_or_default().to_owned();
    Some(Archived {
        id: result.attr("id")?.to_owned(),
        from: attribute("from"),
        to: attribute("to"),
        body: message.get_child("body", CLIENT).map(Element::text).unwrap_or_default(),
    })
}

/// The whole archive of an account, read over a connection of its own.
///
/// # Errors
/// When the account cannot log in or its archive not be read.
pub async fn archived_of(login: crate::Login) -> Result<Vec<Archived>> {
    let mut client = Client::connect(login).await?;
    let (archive, _) = archived_after(&mut client, None).await?;
    client.close().await?;
    Ok(archive)
}
