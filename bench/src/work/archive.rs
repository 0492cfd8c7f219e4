//! The archive (XEP-0313): that it holds what it should, and what a page costs.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use xmpp::ns;
use xmpp::xml::Element;

use super::messages::{self, Chat, Hint};
use super::{each, sessions};
use crate::client::{Account, Login, Session};
use crate::peer::{Figure, Running};

/// An archive to be read.
pub struct Fill {
    sessions: Vec<Session>,
    messages: u64,
}

/// Fills the accounts' archives with `each` messages sent and as many received.
pub async fn fill(running: &Running, accounts: &[Arc<Account>], each: u64) -> Result<Fill> {
    let login = Login { target: running.target(true), sm: true };
    let online = sessions(login, accounts).await?;
    let chat = Chat { in_flight: 16, each, hint: Hint::None, archived: true };
    let sessions = messages::talk(online, accounts, chat).await?;
    Ok(Fill { sessions, messages: each * 2 })
}

/// Microseconds of server CPU for a page of `size`: everybody reads the own archive from end to end, `times` times.
pub async fn pages(running: &Running, fill: &mut Fill, size: u64, times: u64) -> Result<Figure> {
    let total = fill.messages;
    let readers = std::mem::take(&mut fill.sessions);
    let count = readers.len();
    let before = running.cpu_at_rest().await?;
    fill.sessions = each(readers, 4, |mut session| async move {
        for _ in 0..times {
            read_all(&mut session, size, total).await?;
        }
        Ok(session)
    })
    .await?;
    let cost = running.cpu_at_rest().await?.since(before);
    Ok(cost.per(count * usize::try_from(times * total.div_ceil(size))?))
}

/// Each archive holds `expected` messages.
pub(super) async fn check_counts(online: Vec<Session>, expected: u64) -> Result<()> {
    // Some servers give no count; reading all costs them seconds, so those are asked at two of a hundred.
    let mut asked_in_full = 0;
    for mut session in online {
        match count(&mut session).await? {
            Some(found) if found == expected => {}
            Some(found) => bail!("an archive holds {found} messages instead of {expected}"),
            None if asked_in_full < 2 => {
                read_all(&mut session, 50, expected).await?;
                asked_in_full += 1;
            }
            None => {}
        }
    }
    Ok(())
}

/// The count that the server gives (XEP-0059 §2.7), if it does.
async fn count(session: &mut Session) -> Result<Option<u64>> {
    session.stanza(&query("count", "<max>0</max>"));
    let fin = session.answer("count").await?;
    let count = fin.child("fin", ns::MAM).and_then(|fin| in_set(&fin.to_element().ok()?, "count"));
    count.map(|count| count.parse().context("a strange count")).transpose()
}

/// Reads from the oldest to the newest message, and checks that each page is full and the sum is right.
async fn read_all(session: &mut Session, size: u64, total: u64) -> Result<()> {
    let (mut seen, mut after) = (0, String::new());
    for number in 0_u64.. {
        let id = format!("page{number}");
        session.stanza(&query(&id, &format!("<max>{size}</max>{after}")));
        let mut on_page = 0;
        let fin = loop {
            let stanza = session.next().await?;
            if stanza.child("result", ns::MAM).is_some() {
                on_page += 1;
            } else if stanza.name() == "iq" && stanza.attr("id").as_deref() == Some(id.as_str()) {
                break stanza;
            }
        };
        seen += on_page;
        let fin =
            fin.child("fin", ns::MAM).with_context(|| format!("no page: {}", String::from_utf8_lossy(fin.bytes())))?;
        let (complete, fin) = (fin.attr("complete").as_deref() == Some("true"), fin.to_element()?);
        if complete || seen == total {
            break;
        }
        if on_page != size {
            bail!("a page of {on_page} instead of {size}");
        }
        after = format!("<after>{}</after>", in_set(&fin, "last").context("a page without its last id")?);
    }
    if seen == total { Ok(()) } else { bail!("an archive of {seen} messages instead of {total}") }
}

fn query(id: &str, set: &str) -> String {
    format!(
        "<iq type='set' id='{id}'><query xmlns='{}' queryid='{id}'><set xmlns='{}'>{set}</set></query></iq>",
        ns::MAM,
        ns::RSM
    )
}

fn in_set(fin: &Element, name: &str) -> Option<String> {
    let set = fin.child("set", ns::RSM)?.to_element().ok()?;
    let text = set.child(name, ns::RSM)?.text()?.into_owned();
    Some(text)
}
