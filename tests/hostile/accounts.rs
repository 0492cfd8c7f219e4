//! `whimbreld user` beside a running server: what it changes holds at once.

use anyhow::{Context, Result, ensure};
use testkit::{Client, TestServer};

use crate::stage::{Stage, last_condition};
use crate::startup::one_line;

/// The condition of the `<failure/>` for a log-in; `None` when it succeeds.
async fn refused(server: &TestServer, localpart: &str, password: &str) -> Result<Option<String>> {
    let mut client = Client::open(server.login(localpart, password)?).await?;
    let failure = client.try_authenticate().await?;
    Ok(failure.and_then(|failure| failure.children().next().map(|condition| condition.name().to_owned())))
}

#[tokio::test]
async fn a_new_password_works_at_once_and_the_old_one_no_longer() -> Result<()> {
    let mut stage = Stage::new().await?;
    let server = &stage.server;
    assert_eq!(refused(server, "mallory", "mallory").await?, None);
    let done = server.cli(&["user", "passwd", "mallory@localhost", "--password-stdin"], "battery staple\n").await?;
    ensure!(done.success()?.stdout == "changed the password of mallory@localhost\n", "says what was done");
    assert_eq!(refused(server, "mallory", "mallory").await?.as_deref(), Some("not-authorized"));
    assert_eq!(refused(server, "mallory", "battery staple").await?, None);
    stage.goes_on().await
}

#[tokio::test]
async fn a_disabled_account_loses_its_sessions_and_gets_them_back_when_enabled() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut phone = stage.server.online("mallory").await?;
    let mut laptop = stage.server.online("mallory").await?;
    let hibernating = {
        let mut tablet = stage.server.online("mallory").await?;
        tablet.enable_sm().await?;
        tablet.cut()
    };
    stage.server.cli(&["user", "disable", "mallory"], "").await?.success()?;
    for client in [&mut phone, &mut laptop] {
        assert_eq!(last_condition(&client.ended().await?)?, "not-authorized");
    }
    assert_eq!(refused(&stage.server, "mallory", "mallory").await?.as_deref(), Some("account-disabled"));
    // Who guesses does not learn that the account is disabled.
    assert_eq!(refused(&stage.server, "mallory", "guess").await?.as_deref(), Some("not-authorized"));
    ensure!(hibernating.clone().resume().await.is_err(), "a disabled account resumes nothing");
    stage.server.cli(&["user", "enable", "mallory"], "").await?.success()?;
    ensure!(hibernating.resume().await.is_err(), "the session is gone for good");
    stage.server.online("mallory").await?;
    stage.goes_on().await
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_all_it_owned() -> Result<()> {
    let mut stage = Stage::new().await?;
    let mut mallory = stage.server.online("mallory").await?;
    stage.neighbour.say(mallory.bare(), "remember this").await?;
    mallory.message().await?;
    stage.server.cli(&["user", "delete", "mallory"], "").await?.success()?;
    assert_eq!(last_condition(&mallory.ended().await?)?, "not-authorized");
    assert_eq!(refused(&stage.server, "mallory", "mallory").await?.as_deref(), Some("not-authorized"));
    stage.neighbour.say("mallory@localhost", "are you there?").await?;
    let bounced = stage.neighbour.until(|stanza| stanza.attr("type") == Some("error")).await?;
    assert_eq!(crate::stage::stanza_error(&bounced)?.1, "service-unavailable");

    // The next who takes the name finds nothing of the first.
    stage.server.add_user("mallory", "other").await?;
    let mut next = Client::connect(stage.server.login("mallory", "other")?).await?;
    next.come_online().await?;
    next.iq("<iq type='set'><query xmlns='urn:xmpp:mam:2'/></iq>").await?;
    next.expect_nothing().await?;
    stage.goes_on().await
}

#[tokio::test]
async fn accounts_are_listed_and_shown() -> Result<()> {
    let stage = Stage::new().await?;
    stage.server.cli(&["user", "disable", "mallory"], "").await?.success()?;
    let listed = stage.server.cli(&["user", "list"], "").await?.success()?.stdout;
    assert_eq!(listed, "alice@localhost\nmallory@localhost disabled\n");
    let shown = stage.server.cli(&["user", "show", "mallory"], "").await?.success()?.stdout;
    let state = shown.lines().find(|line| line.starts_with("state")).context("no state")?;
    ensure!(state.ends_with("disabled"), "{shown}");
    ensure!(shown.starts_with("jid        mallory@localhost\n"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_one_line() -> Result<()> {
    let stage = Stage::new().await?;
    for (command, expected) in [
        (&["user", "add", "alice", "--password-stdin"][..], "alice@localhost exists already"),
        (&["user", "add", "a b", "--password-stdin"], "\"a b\" cannot be the name of an account"),
        (
            &["user", "add", "alice@example.org", "--password-stdin"],
            "this server serves localhost, not \"example.org\"",
        ),
        (&["user", "passwd", "nobody", "--password-stdin"], "there is no account nobody@localhost"),
        (&["user", "disable", "nobody"], "there is no account nobody@localhost"),
        (&["user", "enable", "nobody"], "there is no account nobody@localhost"),
        (&["user", "delete", "nobody"], "there is no account nobody@localhost"),
        (&["user", "show", "nobody"], "there is no account nobody@localhost"),
    ] {
        let line = one_line(&stage.server.cli(command, "secret\n").await?).with_context(|| command.join(" "))?;
        ensure!(line == expected, "{line:?} instead of {expected:?}");
    }
    for input in ["", "\n"] {
        one_line(&stage.server.cli(&["user", "add", "bob", "--password-stdin"], input).await?)
            .context("no password")?;
    }
    Ok(())
}
