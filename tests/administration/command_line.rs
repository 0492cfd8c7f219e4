//! `whimbreld token`, `invite` and `audit`.

use anyhow::{Context, Result};
use testkit::{Client, TestServer, http_client};

use crate::operator::{Operator, answered};

#[tokio::test]
async fn a_token_is_shown_once_listed_and_revoked() -> Result<()> {
    let mut server = TestServer::start().await?;
    let operator = Operator::with(&server, "ci", "accounts:read,audit:read").await?;
    assert!(operator.token.starts_with("whimbrel_") && operator.token.len() == 52, "{}", operator.token);
    let listed = server.cli(&["token", "list"], "").await?.success()?.stdout;
    assert!(
        listed.starts_with("ci accounts:read,audit:read made ") && listed.contains("ends never used never"),
        "{listed}"
    );
    assert!(!listed.contains(&operator.token));
    operator.get("/accounts").await?.expect(200)?;
    // A use is noted without anybody waiting for it: ending the server writes it.
    server.terminate().await?;
    let listed = server.cli(&["token", "list"], "").await?.success()?.stdout;
    assert!(!listed.contains("used never"), "{listed}");
    for (args, said) in [
        (&["token", "create", "--name", "ci", "--scope", "audit:read"][..], "of that name already"),
        (&["token", "create", "--name", "a b", "--scope", "audit:read"], "letters, digits"),
        (&["token", "create", "--name", "x", "--scope", "coffee:make"], "no scope"),
        (&["token", "create", "--name", "x", "--scope", "audit:read", "--expires", "soon"], "a time is needed"),
        (&["token", "revoke", "nobody"], "there is no token"),
    ] {
        let failed = server.cli(args, "").await?;
        assert!(
            failed.code == Some(1) && failed.stderr.contains(said) && failed.stderr.lines().count() == 1,
            "{failed:?}"
        );
    }
    server.cli(&["token", "revoke", "ci"], "").await?.success()?;
    assert_eq!(server.cli(&["token", "list"], "").await?.success()?.stdout, "");
    Ok(())
}

#[tokio::test]
async fn an_invitation_is_made_listed_used_and_revoked_while_the_server_runs() -> Result<()> {
    let server = TestServer::builder().set("http.public_url", "\"https://chat.example.org\"").start().await?;
    let mut alice = server.alice().await?;
    let made = server.cli(&["invite", "create", "--contact", "alice", "--expires", "7d"], "").await?.success()?.stdout;
    let page = made.lines().find(|line| line.starts_with("https://")).context("no link")?;
    let uri = made.lines().find(|line| line.starts_with("xmpp:")).context("no URI")?;
    let token = page.strip_prefix("https://chat.example.org/invite/").context(page.to_owned())?;
    assert_eq!(uri, format!("xmpp:alice@localhost?roster;preauth={token};ibr=y"));
    assert!(made.contains('\u{2580}') || made.contains('\u{2584}'), "a code to scan: {made}");
    let listed = server.cli(&["invite", "list"], "").await?.success()?.stdout;
    let id = listed.split(' ').next().context("no id")?.to_owned();
    assert!(listed.contains(" open 0/1 ") && listed.contains("contact alice@localhost by command-line"), "{listed}");
    assert!(!listed.contains(token));

    let page = answered(http_client(&server.ca())?.get(server.https_url(&format!("/invite/{token}"))?)).await?;
    assert!(page.status == 200 && page.text.contains("alice invites you to chat"), "{}", page.text);
    let mut dave = Client::open(server.login("dave", "correct horse")?).await?;
    dave.send(&format!("<iq type='set' id='p'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>")).await?;
    dave.expect("<iq type='result' id='p'>{...}</iq>").await?;
    let register =
        "<query xmlns='jabber:iq:register'><username>dave</username><password>correct horse</password></query>";
    dave.send(&format!("<iq type='set' id='r'>{register}</iq>")).await?;
    dave.expect("<iq type='result' id='r'>{...}</iq>").await?;
    alice
        .expect("<iq type='set'><query xmlns='jabber:iq:roster'><item jid='dave@localhost' subscription='both'/></query></iq>")
        .await?;
    let listed = server.cli(&["invite", "list"], "").await?.success()?.stdout;
    assert!(listed.contains(" used 1/1 "), "{listed}");

    server.cli(&["invite", "revoke", &id], "").await?.success()?;
    for (args, said) in [
        (&["invite", "revoke", id.as_str()][..], "there is no invitation"),
        (&["invite", "create", "--contact", "nobody"], "no such account"),
        (&["invite", "create", "--name", "alice"], "exists already"),
        (&["invite", "create", "--name", "a b"], "cannot be the name"),
        (&["invite", "create", "--uses", "0"], "1 to 100 uses"),
        (&["invite", "create", "--contact", "bob@elsewhere.example"], "this server serves localhost"),
    ] {
        let failed = server.cli(args, "").await?;
        assert!(
            failed.code == Some(1) && failed.stderr.contains(said) && failed.stderr.lines().count() == 1,
            "{failed:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_reserved_name_is_kept_from_everybody_else() -> Result<()> {
    let server = TestServer::builder().set("registration.in_band", "true").start().await?;
    server.cli(&["invite", "create", "--name", "carol"], "").await?.success()?;
    let failed = server.cli(&["user", "add", "carol", "--password-stdin"], "correct horse\n").await?;
    assert!(failed.code == Some(1) && failed.stderr.contains("reserved by an invitation"), "{failed:?}");
    let mut carol = Client::open(server.login("carol", "correct horse")?).await?;
    let register =
        "<query xmlns='jabber:iq:register'><username>carol</username><password>correct horse</password></query>";
    carol.send(&format!("<iq type='set' id='r'>{register}</iq>")).await?;
    carol.expect("<iq type='error' id='r'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>{...}</iq>").await?;
    Ok(())
}

#[tokio::test]
async fn where_invitations_are_off_there_are_none() -> Result<()> {
    let server = TestServer::builder().set("registration.invites", "false").start().await?;
    let failed = server.cli(&["invite", "create"], "").await?;
    assert!(failed.code == Some(1) && failed.stderr.contains("invites = true"), "{failed:?}");
    let mut dave = Client::open(server.login("dave", "correct horse")?).await?;
    assert!(!dave.features().children().any(|feature| feature.name() == "register"));
    dave.send("<iq type='set' id='p'><preauth xmlns='urn:xmpp:pars:0' token='x'/></iq>").await?;
    dave.expect("<iq type='error' id='p'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>{...}</iq>").await?;
    Ok(())
}
