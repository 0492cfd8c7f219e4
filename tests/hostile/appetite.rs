//! Users who have much and want all of it: a roster of 10,000, and the whole archive in parallel.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use testkit::raw::Raw;
use testkit::{Client, TestServer};

use crate::cost::{Chat, Meter};
use crate::stage::Stage;

const ITEMS: usize = 10_000;
/// Requests that are sent before their answers are read.
const PIPELINED: usize = 500;

async fn fill_roster(owner: &mut Client) -> Result<()> {
    for block in 0..ITEMS / PIPELINED {
        let mut requests = String::new();
        for number in 0..PIPELINED {
            let contact = block * PIPELINED + number;
            requests.push_str(&format!(
                "<iq type='set' id='set{contact}'><query xmlns='jabber:iq:roster'>\
                 <item jid='contact{contact}@localhost' name='Contact {contact}'><group>All</group></item></query></iq>"
            ));
        }
        owner.send(&requests).await?;
        let errors = owner.arrived().await?.iter().filter(|stanza| stanza.attr("type") == Some("error")).count();
        ensure!(errors == 0, "{errors} were refused");
    }
    Ok(())
}

async fn roster(owner: &mut Client) -> Result<usize> {
    let answer = owner.iq("<iq type='get'><query xmlns='jabber:iq:roster'/></iq>").await?;
    Ok(answer.get_child("query", "jabber:iq:roster").context("no roster")?.children().count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roster_of_ten_thousand_is_its_owners_burden_alone() -> Result<()> {
    let builder = TestServer::builder().set("limits.roster_items_max", &ITEMS.to_string());
    let mut stage = Stage::with(builder).await?;
    let mut mallory = Client::connect(stage.server.login("mallory", "mallory")?).await?;
    let chat = Chat::begin(&stage.server).await?;
    let meter = Meter::start(&stage.server)?;
    fill_roster(&mut mallory).await?;
    meter.spent()?.print("roster items set, the chat included", ITEMS);
    let one_more = mallory
        .iq("<iq type='set'><query xmlns='jabber:iq:roster'><item jid='one.more@localhost'/></query></iq>")
        .await?;
    assert_eq!(crate::stage::stanza_error(&one_more)?.1, "resource-constraint", "limits.roster_items_max");

    let meter = Meter::start(&stage.server)?;
    let started = Instant::now();
    assert_eq!(roster(&mut mallory).await?, ITEMS);
    meter.spent()?.print("a roster of 10,000 sent, the chat included", 1);
    println!("it was there after {:.1?}", started.elapsed());
    chat.end().await?;

    // As if all of them had agreed to see each other's presence, and were deleted since.
    stage.server.terminate().await?;
    let database = Connection::open(stage.server.dir().join("data/whimbrel.db"))?;
    let both: i64 = 3;
    ensure!(database.execute("UPDATE roster SET subscription = ?1", [both])? >= ITEMS);
    drop(database);
    stage.server.start_again().await?;
    stage.neighbour = stage.server.alice().await?;
    let mut mallory = Client::connect(stage.server.login("mallory", "mallory")?).await?;
    let chat = Chat::begin(&stage.server).await?;
    let meter = Meter::start(&stage.server)?;
    const BROADCASTS: usize = 5;
    for _ in 0..BROADCASTS {
        let started = Instant::now();
        mallory.send("<presence/>").await?;
        mallory.round_trip().await?;
        println!("presence was broadcast after {:.1?}", started.elapsed());
    }
    meter.spent()?.print("presences to 10,000, the chat included", BROADCASTS);
    chat.end().await?;
    stage.goes_on().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_the_whole_archive_twenty_times_at_once_gets_pages() -> Result<()> {
    const MESSAGES: usize = 20_000;
    const SESSIONS: usize = 20;
    const QUERIES: usize = 20;
    const PAGE: usize = 250;
    let builder = TestServer::builder().set("limits.offline_messages_max", "\"none\"");
    let mut stage = Stage::with(builder).await?;
    let mut mallory = Client::connect(stage.server.login("mallory", "mallory")?).await?;
    stage.server.add_user("bob", "bob").await?;
    let message = "<message to='bob@localhost' type='chat'><body>one of very many</body></message>".repeat(PIPELINED);
    for _ in 0..MESSAGES / PIPELINED {
        mallory.send(&message).await?;
        mallory.expect_nothing().await?;
    }

    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let mut raw = stage.stranger().await?;
        raw.log_in("localhost", "mallory", "mallory").await?;
        raw.bind(&format!("greedy{number}")).await?;
        raw.restart();
        sessions.push(raw);
    }
    let chat = Chat::begin(&stage.server).await?;
    let meter = Meter::start(&stage.server)?;
    let started = Instant::now();
    let all: String = (0..QUERIES).map(query).collect();
    let reading: Vec<_> = sessions
        .into_iter()
        .map(|mut raw: Raw| {
            let all = all.clone();
            tokio::spawn(async move {
                raw.send(all).await?;
                let stream = raw.until(&format!("id='q{}'", QUERIES - 1)).await?;
                anyhow::Ok(stream.matches("<result ").count())
            })
        })
        .collect();
    for reading in reading {
        assert_eq!(reading.await??, QUERIES * PAGE, "limits.mam_page_max");
    }
    let spent = meter.spent()?;
    spent.print("pages of 250 out of 20,000, the chat included", SESSIONS * QUERIES);
    println!("all were there after {:.1?}", started.elapsed());
    chat.end().await?;
    ensure!(spent.grown_bytes < 64 << 20, "the server grew by {} bytes", spent.grown_bytes);
    stage.goes_on().await
}

/// Everything at once.
fn query(number: usize) -> String {
    format!(
        "<iq type='set' id='q{number}'><query xmlns='urn:xmpp:mam:2'>\
         <set xmlns='http://jabber.org/protocol/rsm'><max>1000000</max></set></query></iq>"
    )
}
