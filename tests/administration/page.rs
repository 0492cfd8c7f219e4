//! The page of an invitation, as a browser without scripts has it.

use anyhow::{Context, Result};
use testkit::{Client, TestServer, http_client};

use crate::operator::{Answer, answered};

/// Somebody with a browser and a link.
struct Visitor {
    client: reqwest::Client,
    url: String,
}

impl Visitor {
    /// Invited with these words of `whimbreld invite create`.
    async fn of(server: &TestServer, words: &[&str]) -> Result<Self> {
        let args = [&["invite", "create"], words].concat();
        let made = server.cli(&args, "").await?.success()?.stdout;
        let token = made.split("preauth=").nth(1).context("no token")?;
        let token: String = token.chars().take_while(char::is_ascii_alphanumeric).collect();
        Ok(Self { client: http_client(&server.ca())?, url: server.https_url(&format!("/invite/{token}"))? })
    }

    async fn look(&self) -> Result<Answer> {
        answered(self.client.get(&self.url)).await
    }

    /// The hidden value of the form that is shown.
    async fn seal(&self) -> Result<String> {
        let page = self.look().await?.expect(200)?.text;
        let value = page.split("name=\"form\" value=\"").nth(1).context("no form")?;
        Ok(value.split('"').next().context("no value")?.to_owned())
    }

    async fn fill_in(&self, username: &str, password: &str) -> Result<Answer> {
        self.send(&format!("form={}&username={username}&password={password}", self.seal().await?), &[]).await
    }

    async fn send(&self, form: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let request = self.client.post(&self.url).header("content-type", "application/x-www-form-urlencoded");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        answered(request.body(form.to_owned())).await
    }
}

#[tokio::test]
async fn who_is_invited_registers_on_the_page_and_meets_who_invited() -> Result<()> {
    let server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let visitor = Visitor::of(&server, &["--contact", "alice"]).await?;
    let page = visitor.look().await?.expect(200)?;
    for said in ["alice invites you to chat", "xmpp:alice@localhost?roster;preauth=", "ibr=y", "<svg", "Conversations"]
    {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    let policy = page.headers["content-security-policy"].to_str()?;
    assert!(
        policy.contains("default-src 'none'")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe")
    );
    assert_eq!(
        (&page.headers["cache-control"], &page.headers["referrer-policy"]),
        (&"no-store".parse()?, &"same-origin".parse()?)
    );
    let style = answered(visitor.client.get(server.https_url("/invite/style.css")?)).await?.expect(200)?;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");

    let welcome = visitor.fill_in("Dave", "correct+horse").await?.expect(201)?;
    assert!(welcome.text.contains("dave@localhost") && welcome.text.contains("alice@localhost"), "{}", welcome.text);
    alice
        .expect("<iq type='set'><query xmlns='jabber:iq:roster'><item jid='dave@localhost' subscription='both'/></query></iq>")
        .await?;
    let mut dave = Client::connect(server.login("dave", "correct horse")?).await?;
    dave.come_online().await?;
    dave.until(|element| element.name() == "presence" && element.attr("from") == Some(alice.jid())).await?;
    alice.until(|element| element.name() == "presence" && element.attr("from") == Some(dave.jid())).await?;
    visitor.look().await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn a_reserved_name_is_given_and_no_other() -> Result<()> {
    let server = TestServer::start().await?;
    let visitor = Visitor::of(&server, &["--name", "erin"]).await?;
    assert!(visitor.look().await?.text.contains("value=\"erin\" readonly"));
    let other = visitor.fill_in("mallory", "correct+horse").await?.expect(422)?;
    assert!(other.text.contains("role=\"alert\"") && other.text.contains("another name"), "{}", other.text);
    visitor.fill_in("erin", "correct+horse").await?.expect(201)?;
    Client::connect(server.login("erin", "correct horse")?).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_said_and_nothing_is_used_up() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("alice", "alice").await?;
    let visitor = Visitor::of(&server, &[]).await?;
    for (username, password, status, said) in [
        ("alice", "correct+horse", 409, "Somebody has this name"),
        ("a%40b", "correct+horse", 422, "cannot be used"),
        ("", "correct+horse", 422, "choose a name"),
        ("dave", "short", 422, "at least 8"),
        ("%3Cscript%3E", "correct+horse", 422, "cannot be used"),
    ] {
        let answer = visitor.fill_in(username, password).await?.expect(status)?;
        assert!(answer.text.contains(said) && !answer.text.contains("<script"), "{username}: {}", answer.text);
    }
    let good = format!("form={}&username=dave&password=correct+horse", visitor.seal().await?);
    for fields in [[("sec-fetch-site", "cross-site"), ("x", "y")], [("origin", "https://evil.example"), ("x", "y")]] {
        let answer = visitor.send(&good, &fields).await?.expect(403)?;
        assert!(answer.text.contains("another page"), "{}", answer.text);
    }
    visitor.send("form=1.ab&username=dave&password=correct+horse", &[]).await?.expect(422)?;
    visitor.send(&format!("form={}", "x".repeat(20_000)), &[]).await?.expect(400)?;
    visitor.send("%FF&=&&", &[]).await?.expect(422)?;
    visitor.send(&good, &[("sec-fetch-site", "same-origin")]).await?.expect(201)?;
    visitor.send(&good, &[("sec-fetch-site", "same-origin")]).await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn two_who_share_a_link_get_one_account() -> Result<()> {
    let server = TestServer::start().await?;
    let visitor = Visitor::of(&server, &[]).await?;
    let seal = visitor.seal().await?;
    let form = |name: &str| format!("form={seal}&username={name}&password=correct+horse");
    let (one, other) = (form("one"), form("other"));
    let (one, other) = tokio::join!(visitor.send(&one, &[]), visitor.send(&other, &[]));
    let mut statuses = [one?.status, other?.status];
    statuses.sort_unstable();
    assert!(statuses[0] == 201 && [404, 410].contains(&statuses[1]), "{statuses:?}");
    Ok(())
}

#[tokio::test]
async fn guessing_links_and_making_accounts_are_bounded() -> Result<()> {
    let server = TestServer::builder()
        .set("limits.auth_failures_per_ip_per_minute_max", "3")
        .set("limits.registrations_per_ip_per_hour_max", "1")
        .start()
        .await?;
    let visitor = Visitor::of(&server, &["--uses", "5"]).await?;
    visitor.fill_in("one", "correct+horse").await?.expect(201)?;
    let answer = visitor.fill_in("two", "correct+horse").await?.expect(429)?;
    assert!(answer.text.contains("Too many accounts"), "{}", answer.text);
    for token in ["x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "another"] {
        answered(visitor.client.get(server.https_url(&format!("/invite/{token}"))?)).await?.expect(404)?;
    }
    visitor.look().await?.expect(429)?;
    Ok(())
}

#[tokio::test]
async fn no_password_is_asked_for_where_it_would_cross_the_network_in_the_clear() -> Result<()> {
    let server = TestServer::builder()
        .unset("c2s.allow_plaintext")
        .set("http.public_url", "\"https://chat.example.org\"")
        .start()
        .await?;
    let visitor = Visitor::of(&server, &[]).await?;
    let path = visitor.url.rsplit('/').next().context("no token")?;
    let plain = server.http_url(&format!("/invite/{path}"))?;
    let page = answered(visitor.client.get(&plain)).await?.expect(200)?;
    assert!(
        !page.text.contains("<form") && page.text.contains("href=\"https://chat.example.org/invite/"),
        "{}",
        page.text
    );
    let form = format!("form={}&username=dave&password=correct+horse", visitor.seal().await?);
    let refused = visitor.client.post(&plain).body(form.clone());
    assert!(answered(refused).await?.expect(403)?.text.contains("not encrypted"));
    // A proxy on this machine that says it speaks TLS is believed.
    let proxied =
        visitor.client.post(&plain).header("x-forwarded-proto", "https").header("x-forwarded-for", "192.0.2.1");
    answered(proxied.body(form)).await?.expect(201)?;
    Ok(())
}
