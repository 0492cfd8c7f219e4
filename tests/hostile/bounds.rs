//! Each bound of `limits.rs` that no other test reaches is reached here: set as low as it goes, and passed by one.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use minidom::Element;
use server::limits::Limits;
use testkit::raw::Raw;
use testkit::sasl2::Device;
use testkit::{Client, Login, Security, TestServer, TestServerBuilder};

use crate::stage::{Stage, last_condition, stanza_error};

const MAM: &str = "urn:xmpp:mam:2";
const SM: &str = "urn:xmpp:sm:3";

fn low(bounds: &[(&str, &str)]) -> TestServerBuilder {
    bounds.iter().fold(TestServer::builder(), |builder, (name, value)| builder.set(&format!("limits.{name}"), value))
}

fn roster_set(item: &str) -> String {
    format!("<iq type='set'><query xmlns='jabber:iq:roster'>{item}</query></iq>")
}

/// Requests that fit are answered with a result, and the one that passes the bound with its error.
#[tokio::test]
async fn what_an_account_may_keep_ends_at_its_bound() -> Result<()> {
    let mut stage = Stage::with(low(&[
        ("roster_items_max", "1"),
        ("roster_groups_per_item_max", "1"),
        ("roster_name_bytes_max", "4"),
        ("blocklist_max", "1"),
        ("private_xml_bytes_max", "60"),
        ("vcard_bytes_max", "60"),
        ("mam_list_max", "1"),
    ]))
    .await?;
    let mut mallory = stage.server.online("mallory").await?;
    let block = |jid: &str| format!("<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='{jid}'/></block></iq>");
    let private = |text: &str| {
        format!("<iq type='set'><query xmlns='jabber:iq:private'><a xmlns='urn:example:a'>{text}</a></query></iq>")
    };
    let card = |text: &str| format!("<iq type='set'><vCard xmlns='vcard-temp'><FN>{text}</FN></vCard></iq>");
    let prefs = |jids: &str| {
        format!("<iq type='set'><prefs xmlns='{MAM}' default='always'><always>{jids}</always><never/></prefs></iq>")
    };
    let ids = |values: &str| {
        format!(
            "<iq type='set'><query xmlns='{MAM}'><x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field><field var='ids'>{values}</field></x></query></iq>"
        )
    };
    let jid = "<jid>a@example.org</jid>";
    let long = "x".repeat(60);
    for (bound, fits, passes, expected) in [
        (
            "roster_items_max",
            roster_set("<item jid='a@example.org' name='four'><group>four</group></item>"),
            roster_set("<item jid='b@example.org'/>"),
            "resource-constraint",
        ),
        (
            "roster_items_max, by a subscription",
            roster_set("<item jid='a@example.org'/>"),
            String::from("<presence to='alice@localhost' type='subscribe'/>"),
            "resource-constraint",
        ),
        (
            "roster_groups_per_item_max",
            roster_set("<item jid='a@example.org'><group>a</group></item>"),
            roster_set("<item jid='a@example.org'><group>a</group><group>b</group></item>"),
            "not-acceptable",
        ),
        (
            "roster_name_bytes_max",
            roster_set("<item jid='a@example.org' name='four'/>"),
            roster_set("<item jid='a@example.org' name='fives'/>"),
            "not-acceptable",
        ),
        ("blocklist_max", block("a@example.org"), block("b@example.org"), "resource-constraint"),
        ("private_xml_bytes_max", private("x"), private(&long), "resource-constraint"),
        ("vcard_bytes_max", card("x"), card(&long), "not-acceptable"),
        ("mam_list_max, preferences", prefs(jid), prefs(&jid.repeat(2).replacen('a', "b", 1)), "policy-violation"),
        (
            "mam_list_max, ids",
            String::from("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>"),
            ids("<value>0000000000005</value><value>0000000000006</value>"),
            "policy-violation",
        ),
    ] {
        let answer = mallory.iq(&fits).await?;
        ensure!(answer.attr("type") == Some("result"), "{bound}: {answer:?}");
        mallory.send(&passes.replacen("<iq ", "<iq id='passes' ", 1)).await?;
        let error = mallory.until(|stanza| stanza.attr("type") == Some("error")).await.context(bound)?;
        assert_eq!(stanza_error(&error)?.1, expected, "{bound}");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn directed_presence_and_subscription_requests_end_at_their_bounds() -> Result<()> {
    let mut stage = Stage::with(low(&[("directed_presence_max", "1"), ("pending_subscriptions_max", "1")])).await?;
    let mut mallory = stage.server.online("mallory").await?;
    mallory.send("<presence to='a@example.org'/>").await?;
    mallory.arrived().await?;
    mallory.send("<presence to='b@example.org'/>").await?;
    let errors = mallory.arrived().await?;
    let full = errors.iter().find(|error| error.attr("from") == Some("b@example.org")).context("no error")?;
    assert_eq!(stanza_error(full)?.1, "resource-constraint");

    let mut bob = stage.server.bob().await?;
    for (asker, expected) in [(&mut mallory, Some("mallory@localhost")), (&mut bob, None)] {
        asker.send("<presence to='alice@localhost' type='subscribe'/>").await?;
        asker.round_trip().await?;
        let arrived = stage.neighbour.arrived().await?;
        let request = arrived.iter().find(|stanza| stanza.attr("type") == Some("subscribe"));
        assert_eq!(request.and_then(|request| request.attr("from")), expected);
    }
    stage.goes_on().await
}

fn results(stanzas: &[Element]) -> usize {
    stanzas.iter().filter(|stanza| stanza.get_child("result", MAM).is_some()).count()
}

#[tokio::test]
async fn mailbox_and_archive_pages_end_at_their_bounds() -> Result<()> {
    let bounds = [("offline_messages_max", "4"), ("mam_page_max", "3"), ("mam_page_default", "2")];
    let mut stage = Stage::with(low(&bounds)).await?;
    stage.server.add_user("bob", "bob").await?;
    for _ in 0..4 {
        stage.neighbour.say("bob@localhost", "fits").await?;
    }
    stage.neighbour.expect_nothing().await?;
    stage.neighbour.say("bob@localhost", "one too many").await?;
    let error = stage.neighbour.until(|stanza| stanza.attr("type") == Some("error")).await?;
    assert_eq!(stanza_error(&error)?, (String::from("wait"), String::from("service-unavailable")));

    for (wanted, expected) in [("", 2), ("<max>100</max>", 3), ("<max>1</max>", 1)] {
        let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{wanted}</set>");
        stage.neighbour.iq(&format!("<iq type='set'><query xmlns='{MAM}'>{set}</query></iq>")).await?;
        assert_eq!(results(&stage.neighbour.arrived().await?), expected, "for {wanted}");
    }
    stage.goes_on().await
}

#[tokio::test]
async fn commands_in_progress_end_at_their_bounds() -> Result<()> {
    let mut stage = Stage::with(low(&[("adhoc_sessions_max", "1"), ("adhoc_session_secs", "1")])).await?;
    let mut admin = stage.server.online("admin").await?;
    let command = |attributes: &str| {
        format!(
            "<iq type='set' to='localhost'><command xmlns='http://jabber.org/protocol/commands' \
             node='http://jabber.org/protocol/admin#add-user' {attributes}/></iq>"
        )
    };
    let mut begun = Vec::new();
    for _ in 0..2 {
        let answer = admin.iq(&command("action='execute'")).await?;
        let session = answer.children().next().and_then(|command| command.attr("sessionid"));
        begun.push(session.context("no session")?.to_owned());
    }
    // The newer one took the place of the older, and time takes the newer.
    let go_on = |id: &str| command(&format!("sessionid='{id}' action='cancel'"));
    let older = admin.iq(&go_on(&begun[0])).await?;
    assert_eq!(stanza_error(&older)?.1, "not-allowed", "limits.adhoc_sessions_max");
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1_100) {
        admin.round_trip().await?;
    }
    let late = admin.iq(&go_on(&begun[1])).await?;
    assert_eq!(stanza_error(&late)?.1, "not-allowed", "limits.adhoc_session_secs");
    stage.goes_on().await
}

#[tokio::test]
async fn bytes_and_time_of_stream_management_end_at_their_bounds() -> Result<()> {
    let mut stage = Stage::with(low(&[("sm_queue_bytes_max", "65536"), ("sm_resume_secs_max", "1")])).await?;
    let mut bob = stage.server.bob().await?;
    let enabled = bob.enable_sm().await?;
    assert_eq!(enabled.attr("max"), Some("1"));
    // Of five messages of 15,000 bytes the last is too much, although they are few.
    for _ in 0..5 {
        stage.neighbour.say(bob.bare(), &"x".repeat(15_000)).await?;
    }
    assert_eq!(last_condition(&bob.ended().await?)?, "policy-violation");

    let mut tablet = stage.server.online("mallory").await?;
    tablet.enable_sm().await?;
    let previd = tablet.sm_id().context("no id")?.to_owned();
    let jid = tablet.jid().to_owned();
    let _cut = tablet.cut();
    // Once the session is over, a message to it comes back: nobody is there.
    let started = Instant::now();
    loop {
        let answer = stage.neighbour.iq(&format!("<iq type='get' to='{jid}'><q xmlns='urn:x'/></iq>")).await?;
        if stanza_error(&answer)?.1 == "service-unavailable" {
            break;
        }
        ensure!(started.elapsed() < testkit::DEADLINE, "the session outlives its time");
    }
    ensure!(started.elapsed() >= Duration::from_millis(900), "a second was promised");
    let mut late = Client::open(stage.server.login("mallory", "mallory")?).await?;
    late.authenticate().await?;
    late.send(&format!("<resume xmlns='{SM}' h='0' previd='{previd}'/>")).await?;
    let failed = late.until(|element| element.is("failed", SM)).await?;
    assert_eq!(failed.children().next().map(Element::name), Some("item-not-found"));
    stage.goes_on().await
}

#[tokio::test]
async fn what_is_held_back_for_an_inactive_client_ends_at_its_bound() -> Result<()> {
    let mut stage = Stage::with(low(&[("csi_queue_stanzas_max", "2")])).await?;
    let mut mallory = stage.server.online("mallory").await?;
    mallory.send("<inactive xmlns='urn:xmpp:csi:0'/>").await?;
    mallory.arrived().await?;
    let mut come = Vec::new();
    for _ in 0..3 {
        // Each of a resource of its own, so that none takes the place of another.
        come.push(stage.server.online("mallory").await?);
        let arrived = mallory.arrived().await?;
        let expected = if come.len() < 3 { 0 } else { 3 };
        assert_eq!(arrived.len(), expected, "after {} came: {arrived:?}", come.len());
    }
    stage.goes_on().await
}

#[tokio::test]
async fn the_device_unseen_for_longest_makes_room() -> Result<()> {
    let mut stage = Stage::with(low(&[("devices_per_account_max", "1")])).await?;
    let login = Login {
        security: Security::DirectTls,
        address: stage.server.address("c2s_tls")?,
        ..stage.server.login("mallory", "mallory")?
    };
    let (mut old, mut new) = (Device::new(login.clone(), 1), Device::new(login, 2));
    old.register("HT-SHA-256-EXPR").await?;
    new.register("HT-SHA-256-EXPR").await?;
    let (_, answer) = old.fly("", "").await?;
    ensure!(answer.name() == "failure", "its token is forgotten with it: {answer:?}");
    new.come_back("", "").await?;
    stage.goes_on().await
}

#[tokio::test]
async fn one_component_too_many_is_refused() -> Result<()> {
    let mut stage = Stage::with(low(&[("component_connections_max", "1")])).await?;
    let component = stage.server.component("echo.localhost", "secret").await?;
    let mut second = Raw::connect(stage.server.address("components")?).await?;
    assert_eq!(second.ended().await?, "");
    drop(component);
    stage.goes_on().await
}

#[tokio::test]
async fn who_does_not_answer_a_ping_in_time_is_gone() -> Result<()> {
    let stage = Stage::with(low(&[("idle_secs", "10"), ("ping_timeout_secs", "1")])).await?;
    let mut silent = stage.mallory().await?;
    silent.restart();
    let started = Instant::now();
    // What is waited for takes as long as the deadline of one read.
    let asked = match silent.until("urn:xmpp:ping").await {
        Ok(asked) => asked,
        Err(_) => silent.until("urn:xmpp:ping").await?,
    };
    ensure!(started.elapsed() >= Duration::from_millis(9_900), "asked before its time: {asked}");
    silent.ended().await?;
    let silence = started.elapsed();
    ensure!(silence < Duration::from_secs(15), "{silence:?} without an answer");
    // The neighbour was silent too; its client answers only when it reads.
    let mut newcomer = stage.server.bob().await?;
    newcomer.round_trip().await
}

/// A bound that no test names is a bound that nobody has seen hold.
#[test]
fn every_bound_is_named_by_a_test_that_reaches_it() -> Result<()> {
    let mut texts = String::new();
    for folder in ["administration", "crash", "hostile", "media", "stories", "web"] {
        for entry in std::fs::read_dir(testkit::workspace().join("tests").join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push_str(&std::fs::read_to_string(path)?);
            }
        }
    }
    // Nobody sees from outside what this cache has forgotten: its own tests reach `caps_entries_max` and
    // `caps_bytes_max`.
    texts.push_str(&std::fs::read_to_string(testkit::workspace().join("crates/server/src/pep/caps.rs"))?);
    let words: HashSet<&str> = texts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let missing: Vec<&str> =
        Limits::BOUNDS.iter().map(|bound| bound.name).filter(|name| !words.contains(name)).collect();
    ensure!(missing.is_empty(), "no test reaches {missing:?}");
    Ok(())
}
