//! Coming back in one round trip: SASL2, Bind 2, tokens and resumption together (XEP-0388, XEP-0386, XEP-0484,
//! XEP-0198, XEP-0509), and what must not work.

use anyhow::{Context, Result, ensure};
use minidom::Element;
use testkit::sasl2::{self, Device};
use testkit::{Client, DEADLINE, Login, Security, TestServer, TestServerBuilder};

const SM: &str = "urn:xmpp:sm:3";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const SASL2: &str = "urn:xmpp:sasl:2";
const FAST: &str = "urn:xmpp:fast:0";
const MAM: &str = "urn:xmpp:mam:2";
const ACCESS: &str = "urn:xmpp:cam:0";
const EXPR: &str = "HT-SHA-256-EXPR";
const NONE: &str = "HT-SHA-256-NONE";

async fn server() -> Result<TestServer> {
    with_users(TestServer::builder()).await
}

async fn with_users(builder: TestServerBuilder) -> Result<TestServer> {
    let server = builder.start().await?;
    server.add_user("alice", "alice").await?;
    server.add_user("bob", "bob").await?;
    Ok(server)
}

fn over_tls(server: &TestServer, localpart: &str) -> Result<Login> {
    let address = server.address("c2s_tls")?;
    Ok(Login { security: Security::DirectTls, address, ..server.login(localpart, localpart)? })
}

/// Bob's phone, over TLS.
fn phone(server: &TestServer) -> Result<Device> {
    Ok(Device::new(over_tls(server, "bob")?, 1))
}

fn condition(failure: &Element) -> String {
    let condition = failure.children().find(|child| child.ns() == SASL);
    condition.filter(|_| failure.is("failure", SASL2)).map_or_else(String::new, |child| child.name().to_owned())
}

async fn refusal(device: &Device, fast: &str, children: &str) -> Result<String> {
    let (_, answer) = device.fly(fast, children).await?;
    Ok(condition(&answer))
}

fn body(message: &Element) -> String {
    message.get_child("body", "jabber:client").map(Element::text).unwrap_or_default()
}

#[tokio::test]
async fn a_known_device_is_back_and_resumed_after_one_round_trip() -> Result<()> {
    let server = server().await?;
    let mut phone = phone(&server)?;
    let mut bob = phone.register(EXPR).await?.client;
    assert_eq!(bob.flights(), 3, "with the password: features, challenge, success");
    bob.come_online().await?;
    let (jid, to) = (bob.jid().to_owned(), bob.bare().to_owned());
    let cut = bob.cut();
    let mut alice = server.online("alice").await?;
    alice.say(&to, "while you were away").await?;
    alice.round_trip().await?;

    let back = phone.come_back("count='1'", &cut.request()).await?;
    let mut bob = back.client;
    assert_eq!(bob.flights(), 1, "everything was sent at once, and the answer was everything");
    assert!(back.success.get_child("resumed", SM).is_some());
    assert_eq!(bob.jid(), jid);
    bob.resumes(&cut);
    assert_eq!(body(&bob.message().await?), "while you were away");
    assert_eq!(bob.flights(), 1, "and what was missed came along");
    bob.ack().await?;
    bob.expect_nothing().await
}

#[tokio::test]
async fn without_a_session_to_resume_the_same_flight_binds_a_new_one() -> Result<()> {
    let mut server = server().await?;
    let mut phone = phone(&server)?;
    let mut bob = phone.register(EXPR).await?.client;
    bob.come_online().await?;
    let (jid, to) = (bob.jid().to_owned(), bob.bare().to_owned());
    let cut = bob.cut();
    server.restart().await?;
    let mut alice = server.online("alice").await?;
    let message = alice.say(&to, "in the archive").await?;
    alice.round_trip().await?;

    let back = phone.come_back("", &format!("{}{}", cut.request(), sasl2::bind(""))).await?;
    let failed = back.success.get_child("failed", SM).context("no word about the resumption")?;
    assert_eq!(failed.children().next().map(Element::name), Some("item-not-found"));
    let bound = back.bound()?.clone();
    let mut bob = back.client;
    assert_eq!(bob.flights(), 1);
    assert_eq!(bob.jid(), jid, "a device has the same resource each time");
    assert!(bound.get_child("enabled", SM).is_some_and(|enabled| enabled.attr("resume") == Some("true")));

    // The archive has the message under the id that the log-in named, and it is not delivered besides.
    let end = bound.get_child("metadata", MAM).and_then(|metadata| metadata.get_child("end", MAM));
    let end = end.and_then(|end| end.attr("id")).context("no end of the archive")?.to_owned();
    bob.come_online().await?;
    bob.expect_nothing().await?;
    bob.send(&format!("<iq type='set' id='q'><query xmlns='{MAM}'/></iq>")).await?;
    let result = bob.until(|stanza| stanza.children().any(|child| child.is("result", MAM))).await?;
    let result = result.get_child("result", MAM).context("no result")?;
    assert_eq!(result.attr("id"), Some(end.as_str()));
    let forwarded = result.children().next().and_then(|forwarded| forwarded.get_child("message", "jabber:client"));
    assert_eq!(forwarded.and_then(|forwarded| forwarded.attr("id")), Some(message.as_str()));
    Ok(())
}

#[tokio::test]
async fn bind2_clears_what_is_archived_and_still_delivers_what_is_not() -> Result<()> {
    let server = server().await?;
    let mut alice = server.online("alice").await?;
    let to = "bob@localhost";
    alice.say(to, "kept").await?;
    let hint = "<no-permanent-store xmlns='urn:xmpp:hints'/>";
    alice.send(&format!("<message to='{to}' type='chat'><body>not kept</body>{hint}</message>")).await?;
    alice.round_trip().await?;
    let mut bob = phone(&server)?.log_in(&sasl2::bind("")).await?.client;
    bob.come_online().await?;
    assert_eq!(body(&bob.message().await?), "not kept");
    bob.ack().await?;
    bob.expect_nothing().await?;
    // What comes from now on is delivered as ever.
    alice.say(to, "now").await?;
    assert_eq!(body(&bob.message().await?), "now");
    Ok(())
}

#[tokio::test]
async fn what_is_asked_for_in_bind2_is_on_from_the_first_stanza() -> Result<()> {
    let server = server().await?;
    let mut phone = phone(&server)?;
    let inactive = "<inactive xmlns='urn:xmpp:csi:0'/>";
    let mut bob = phone.log_in(&sasl2::bind(inactive)).await?.client;
    assert!(bob.jid().starts_with("bob@localhost/Bird/"), "{}", bob.jid());
    assert!(!bob.jid().contains("d4565fa7"), "nobody learns the user-agent id");
    bob.send("<presence/>").await?;
    bob.expect_nothing().await?;
    // Carbons, and counting.
    let mut laptop = server.online("bob").await?;
    laptop.say("alice@localhost", "from the laptop").await?;
    let carbon = bob.until(|stanza| stanza.children().any(|child| child.is("sent", "urn:xmpp:carbons:2"))).await?;
    assert_eq!(carbon.name(), "message");
    assert_eq!(bob.acked().await?, 2, "presence and a ping");
    // An inactive client is told of presence when it is active again.
    bob.send("<active xmlns='urn:xmpp:csi:0'/>").await?;
    let jid = bob.jid().to_owned();
    bob.until(|stanza| stanza.name() == "presence" && stanza.attr("from") == Some(&jid)).await?;
    Ok(())
}

#[tokio::test]
async fn a_device_that_comes_again_ends_its_earlier_session() -> Result<()> {
    let server = server().await?;
    let mut phone = phone(&server)?;
    let mut first = phone.log_in(&sasl2::bind("")).await?.client;
    let mut other = Device::new(over_tls(&server, "bob")?, 2).log_in(&sasl2::bind("")).await?.client;
    let second = phone.log_in("<bind xmlns='urn:xmpp:bind:0'><tag>Other</tag></bind>").await?.client;
    let last = first.ended().await?;
    let error = last.iter().find(|element| element.name() == "error").and_then(|error| error.children().next());
    assert_eq!(error.map(Element::name), Some("conflict"));
    assert!(second.jid().starts_with("bob@localhost/Other/"));
    other.round_trip().await
}

#[tokio::test]
async fn without_bind2_the_client_binds_as_ever_and_no_stream_is_restarted() -> Result<()> {
    let server = server().await?;
    for login in [server.login("bob", "bob")?, over_tls(&server, "bob")?] {
        let succeeded = Device::new(login, 1).log_in("").await?;
        assert_eq!(succeeded.client.bare(), "bob@localhost");
        let mut bob = succeeded.client;
        assert!(!bob.is_bound());
        bob.bind().await?;
        bob.come_online().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_good_for_its_own_account_device_mechanism_and_channel_only() -> Result<()> {
    let server = server().await?;
    let mut phone = phone(&server)?;
    phone.register(EXPR).await?;
    let of = |change: &dyn Fn(&mut Device)| {
        let mut device = phone.clone();
        change(&mut device);
        device
    };
    let mut alice = Device::new(over_tls(&server, "alice")?, 1);
    alice.register(EXPR).await?;
    let stolen = of(&|device| device.login.localpart = "alice".into());
    assert_eq!(refusal(&stolen, "", "").await?, "not-authorized", "another account");
    let nobody = of(&|device| device.login.localpart = "nobody".into());
    assert_eq!(refusal(&nobody, "", "").await?, "not-authorized", "no account");
    let copied = of(&|device| device.user_agent = alice.user_agent.replace("877", "878"));
    assert_eq!(refusal(&copied, "", "").await?, "not-authorized", "another device");
    let downgraded = of(&|device| device.token.as_mut().unwrap().mechanism = NONE.into());
    assert_eq!(refusal(&downgraded, "", "").await?, "not-authorized", "another mechanism");
    let guessed = of(&|device| device.token.as_mut().unwrap().token = "0".repeat(64));
    assert_eq!(refusal(&guessed, "", "").await?, "not-authorized", "another token");

    // The proof of one channel, repeated on another.
    let mut client = Client::open(phone.login.clone()).await?;
    let token = phone.token.clone().context("no token")?;
    client.send(&phone.authenticate(&token, &[7; 32], "", "")).await?;
    assert_eq!(condition(&client.recv().await?), "not-authorized", "another channel");
    // A mechanism that this connection cannot run, or that takes no token.
    let mut plain = Client::open(server.login("bob", "bob")?).await?;
    plain.send(&phone.authenticate(&token, &[7; 32], "", "")).await?;
    assert_eq!(condition(&plain.recv().await?), "invalid-mechanism");
    plain.send(&phone.authenticate(&token, &[], "", "").replace(EXPR, "SCRAM-SHA-256")).await?;
    assert_eq!(condition(&plain.recv().await?), "invalid-mechanism");

    // None of that has hurt the token; and after a refusal the same stream takes the password.
    let (mut client, answer) = guessed.fly("", "").await?;
    assert_eq!(condition(&answer), "not-authorized");
    assert!(client.scram2(&phone.agent()).await?.is("success", SASL2));
    phone.come_back("", "").await?;
    Ok(())
}

#[tokio::test]
async fn a_count_is_accepted_once() -> Result<()> {
    let server = server().await?;
    let mut phone = Device::new(server.login("bob", "bob")?, 1);
    phone.register(NONE).await?;
    phone.come_back("count='1'", "").await?;
    assert_eq!(refusal(&phone, "count='1'", "").await?, "not-authorized", "replayed");
    phone.come_back("count='7'", "").await?;
    assert_eq!(refusal(&phone, "count='6'", "").await?, "not-authorized", "older");
    assert_eq!(refusal(&phone, "count='-1'", "").await?, "malformed-request");
    assert_eq!(refusal(&phone, "count='many'", "").await?, "malformed-request");
    phone.come_back("count='8'", "").await?;
    Ok(())
}

#[tokio::test]
async fn a_new_token_is_offered_in_time_and_the_old_one_lasts_until_it_is_used() -> Result<()> {
    let server = with_users(TestServer::builder().set("limits.fast_token_rotate_secs", "0")).await?;
    let mut phone = phone(&server)?;
    phone.register(EXPR).await?;
    let first = phone.token.clone();
    phone.come_back("", "").await?;
    let second = phone.token.clone();
    assert_ne!(first, second, "rotated");
    // The answer with the second was lost.
    phone.token.clone_from(&first);
    phone.come_back("", "").await?;
    let third = phone.token.clone();
    phone.come_back("", "").await?;
    for gone in [first, second] {
        phone.token = gone;
        assert_eq!(refusal(&phone, "", "").await?, "not-authorized");
    }
    phone.token = third;
    phone.come_back("", "").await?;
    Ok(())
}

#[tokio::test]
async fn a_token_ends_when_it_expires_when_it_is_told_to_and_with_the_password() -> Result<()> {
    let mut server = server().await?;
    let mut phone = phone(&server)?;
    phone.register(EXPR).await?;
    let succeeded = phone.come_back("invalidate='true'", "").await?;
    assert!(succeeded.success.get_child("token", FAST).is_none());
    assert_eq!(refusal(&phone, "", "").await?, "not-authorized", "invalidated");

    phone.register(EXPR).await?;
    server.cli(&["user", "passwd", "bob", "--password-stdin"], "another\n").await?.success()?;
    assert_eq!(refusal(&phone, "", "").await?, "not-authorized", "the password has changed");

    server.set("limits.fast_token_secs_max", "1");
    server.restart().await?;
    phone.login.password = "another".into();
    phone.register(EXPR).await?;
    let mut said = String::new();
    let expired = async {
        while said.is_empty() {
            said = refusal(&phone, "", "").await?;
        }
        Ok::<(), anyhow::Error>(())
    };
    tokio::time::timeout(DEADLINE, expired).await??;
    assert_eq!(said, "credentials-expired");
    Ok(())
}

#[tokio::test]
async fn tokens_outlive_the_server_and_disabled_accounts_do_not_use_them() -> Result<()> {
    let mut server = server().await?;
    let mut phone = phone(&server)?;
    phone.register(EXPR).await?;
    server.kill()?;
    server.start_again().await?;
    phone.come_back("", "").await?;
    server.cli(&["user", "disable", "bob"], "").await?.success()?;
    assert_eq!(refusal(&phone, "", "").await?, "account-disabled");
    Ok(())
}

#[tokio::test]
async fn nobody_resumes_the_session_of_another_account() -> Result<()> {
    let server = server().await?;
    let mut bobs = phone(&server)?;
    let cut = bobs.register(EXPR).await?.client.cut();
    let mut alices = Device::new(over_tls(&server, "alice")?, 1);
    alices.register(EXPR).await?;
    let back = alices.come_back("", &format!("{}{}", cut.request(), sasl2::bind(""))).await?;
    assert!(back.success.get_child("resumed", SM).is_none());
    let failed = back.success.get_child("failed", SM).and_then(|failed| failed.children().next());
    assert_eq!(failed.map(Element::name), Some("item-not-found"));
    assert_eq!(back.client.bare(), "alice@localhost");
    // And its owner still can.
    let back = bobs.come_back("", &cut.request()).await?;
    assert!(back.success.get_child("resumed", SM).is_some());
    Ok(())
}

#[tokio::test]
async fn who_opens_a_stream_as_somebody_does_not_log_in_as_somebody_else() -> Result<()> {
    let server = server().await?;
    let mut phone = phone(&server)?;
    phone.register(EXPR).await?;
    let alice = Device::new(over_tls(&server, "alice")?, 1);
    for (header, expected) in [(alice.header(), "invalid-authzid"), (phone.header(), "")] {
        let (_, answer) = phone.fly_after(&header, "", "").await?;
        assert_eq!(condition(&answer), expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_pipelined_request_for_other_features_is_refused_without_prejudice() -> Result<()> {
    let server = server().await?;
    let mut phone = phone(&server)?;
    let known = phone.register(EXPR).await?.client;
    let version = known.features().get_child("config-version", "urn:xmpp:iap:0").and_then(|known| known.attr("value"));
    let name = |value: &str| format!("<config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='{value}'/>");
    phone.come_back("", &name(version.context("no config-version")?)).await?;
    let (mut client, answer) = phone.fly("", &name("old")).await?;
    assert_eq!(condition(&answer), "aborted");
    assert!(answer.get_child("config-version-mismatch", "urn:xmpp:iap:0").is_some());
    assert!(client.scram2(&phone.agent()).await?.is("success", SASL2));
    Ok(())
}

#[tokio::test]
async fn a_revoked_device_loses_its_session_and_its_token() -> Result<()> {
    let server = server().await?;
    let mut phone = phone(&server)?;
    let mut lost = phone.register(EXPR).await?.client;
    let mut laptop = Device::new(over_tls(&server, "bob")?, 2).log_in(&sasl2::bind("")).await?.client;
    let list = laptop.iq(&format!("<iq type='get'><list xmlns='{ACCESS}'/></iq>")).await?;
    let clients = list.get_child("clients", ACCESS).context("no clients")?;
    assert_eq!(clients.children().count(), 2);
    let with_token =
        |client: &&Element| client.get_child("auth", ACCESS).is_some_and(|auth| auth.has_child("fast", ACCESS));
    let phones = clients.children().find(with_token).context("the phone has a token")?;
    assert_eq!(phones.attr("connected"), Some("true"));
    let id = phones.attr("id").context("no id")?;
    let reply = laptop.iq(&format!("<iq type='set'><revoke xmlns='{ACCESS}' id='{id}'/></iq>")).await?;
    // It knows the password, too.
    let error = reply.get_child("error", "jabber:client").context("no error")?;
    assert!(error.has_child("password-reset-required", ACCESS));
    let last = lost.ended().await?;
    let error = last.iter().find(|element| element.name() == "error").and_then(|error| error.children().next());
    assert_eq!(error.map(Element::name), Some("not-authorized"));
    assert_eq!(refusal(&phone, "", "").await?, "not-authorized");
    laptop.round_trip().await
}

#[tokio::test]
async fn the_operator_lists_and_revokes_devices_while_the_server_runs() -> Result<()> {
    let server = server().await?;
    let mut phone = phone(&server)?;
    let mut lost = phone.register(EXPR).await?.client;
    let listed = server.cli(&["user", "devices", "list", "bob"], "").await?;
    let line = listed.success()?.stdout.clone();
    ensure!(line.contains("Bird") && line.contains("phone") && line.contains("token"), "{line}");
    let id = line.split_whitespace().next().context("no id")?;
    server.cli(&["user", "devices", "revoke", "bob", id], "").await?.success()?;
    lost.ended().await?;
    assert_eq!(refusal(&phone, "", "").await?, "not-authorized");
    assert_eq!(server.cli(&["user", "devices", "list", "bob"], "").await?.success()?.stdout, "");
    let again = server.cli(&["user", "devices", "revoke", "bob", id], "").await?;
    assert_eq!(again.code, Some(1));
    // All at once, too.
    let mut lost = phone.register(EXPR).await?.client;
    server.cli(&["user", "devices", "revoke", "bob"], "").await?.success()?;
    lost.ended().await?;
    assert_eq!(refusal(&phone, "", "").await?, "not-authorized");
    Ok(())
}
