//! Every change leaves one entry, by whichever way it is made.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::sasl2::Device;
use testkit::{Client, Login, Security, TestServer};

use crate::operator::Operator;

/// What a form is filled in with.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// Action, way, target, outcome of an entry.
type Row = (String, String, String, String);

async fn entries(operator: &Operator) -> Result<Vec<Row>> {
    let log = operator.get("/audit?limit=250").await?.expect(200)?.json();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    let entries = log["entries"].as_array().context("no entries")?;
    Ok(entries
        .iter()
        .map(|entry| (text(entry, "action"), text(entry, "via"), text(entry, "target"), text(entry, "outcome")))
        .collect())
}

/// The entries that a step adds, oldest first.
struct Log<'a> {
    operator: &'a Operator,
    known: usize,
}

impl Log<'_> {
    async fn adds(&mut self, what: &str, expected: &[(&str, &str, &str, &str)]) -> Result<()> {
        let mut all = entries(self.operator).await?;
        all.reverse();
        let new: Vec<_> = all.split_off(self.known.min(all.len()));
        self.known += new.len();
        let new: Vec<_> = new.iter().map(|(a, v, t, o)| (a.as_str(), v.as_str(), t.as_str(), o.as_str())).collect();
        assert_eq!(new, expected, "{what}");
        Ok(())
    }
}

#[tokio::test]
async fn every_change_over_the_api_leaves_one_entry() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    let mut log = Log { operator: &operator, known: 0 };
    log.adds("a token", &[("token.create", "command-line", "all", "done")]).await?;
    let carol = "carol@localhost";
    let new = json!({ "username": "carol", "password": "correct horse" });
    operator.post("/accounts", &new).await?.expect(201)?;
    log.adds("creating", &[("account.create", "token", carol, "done")]).await?;
    operator.post("/accounts", &new).await?.expect(409)?;
    log.adds("creating again", &[("account.create", "token", carol, "exists")]).await?;
    operator.put("/accounts/carol/password", &json!({ "password": "battery staple" })).await?.expect(204)?;
    log.adds("a password", &[("account.password", "token", carol, "done")]).await?;
    operator.put("/accounts/carol/disabled", &json!({ "disabled": true })).await?.expect(200)?;
    log.adds("disabling", &[("account.disable", "token", carol, "done")]).await?;
    operator.put("/accounts/carol/disabled", &json!({ "disabled": false })).await?.expect(200)?;
    log.adds("enabling", &[("account.enable", "token", carol, "done")]).await?;
    operator.delete("/sessions/carol").await?.expect(200)?;
    log.adds("ending sessions", &[("sessions.end", "token", carol, "done")]).await?;
    let made = operator.post("/invites", &json!({})).await?.expect(201)?.json();
    let id = made["invite"]["id"].as_str().context("no id")?.to_owned();
    log.adds("inviting", &[("invite.create", "token", &id, "done")]).await?;
    operator.delete(&format!("/invites/{id}")).await?.expect(204)?;
    log.adds("revoking", &[("invite.revoke", "token", &id, "done")]).await?;
    operator.delete(&format!("/invites/{id}")).await?.expect(404)?;
    log.adds("revoking again", &[("invite.revoke", "token", &id, "missing")]).await?;
    operator.post("/announcements", &json!({ "to": "online", "body": "x" })).await?.expect(202)?;
    log.adds("announcing", &[("announcement.send", "token", "online", "done")]).await?;
    operator.delete("/accounts/carol").await?.expect(200)?;
    log.adds("deleting", &[("account.delete", "token", carol, "done")]).await?;
    operator.delete("/accounts/carol").await?.expect(404)?;
    log.adds("deleting again", &[("account.delete", "token", carol, "missing")]).await?;
    // Looking changes nothing.
    for path in ["/accounts", "/sessions", "/invites", "/statistics", "/audit"] {
        operator.get(path).await?.expect(200)?;
    }
    log.adds("looking", &[]).await?;
    Ok(())
}

#[tokio::test]
async fn every_change_on_the_command_line_leaves_one_entry() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    let mut log = Log { operator: &operator, known: 1 };
    let by_hand = |action, target, outcome| (action, "command-line", target, outcome);
    let carol = "carol@localhost";
    let table: [(&[&str], &str, &str, &str); 8] = [
        (&["user", "add", "carol", "--password-stdin"], "account.create", carol, "done"),
        (&["user", "passwd", "carol", "--password-stdin"], "account.password", carol, "done"),
        (&["user", "disable", "carol"], "account.disable", carol, "done"),
        (&["user", "enable", "carol"], "account.enable", carol, "done"),
        (&["user", "delete", "carol"], "account.delete", carol, "done"),
        (&["token", "create", "--name", "second", "--scope", "audit:read"], "token.create", "second", "done"),
        (&["token", "revoke", "second"], "token.revoke", "second", "done"),
        (&["keys", "rotate"], "master-key.rotate", "-", "done"),
    ];
    for (args, action, target, outcome) in table {
        server.cli(args, "correct horse\n").await?.success()?;
        log.adds(&args.join(" "), &[by_hand(action, target, outcome)]).await?;
    }
    server.cli(&["invite", "create"], "").await?.success()?;
    let listed = server.cli(&["invite", "list"], "").await?.success()?.stdout;
    let id = listed.split(' ').next().context("no id")?;
    log.adds("invite create", &[by_hand("invite.create", id, "done")]).await?;
    server.cli(&["invite", "revoke", id], "").await?.success()?;
    log.adds("invite revoke", &[by_hand("invite.revoke", id, "done")]).await?;
    server.add_user("dave", "correct horse").await?;
    let exported = server.cli(&["user", "export", "dave"], "").await?.success()?.stdout;
    let file = server.dir().join("dave.xml");
    std::fs::write(&file, exported)?;
    log.adds("user add", &[by_hand("account.create", "dave@localhost", "done")]).await?;
    server.cli(&["user", "import", "--merge", &file.to_string_lossy()], "").await?.success()?;
    log.adds("user import", &[by_hand("account.import", "-", "done")]).await?;
    let address = server.address("c2s_tls")?;
    let login = Login { security: Security::DirectTls, address, ..server.login("dave", "correct horse")? };
    let _client = Device::new(login, 1).register("HT-SHA-256-NONE").await?;
    log.adds("a device", &[]).await?;
    server.cli(&["user", "devices", "revoke", "dave"], "").await?.success()?;
    log.adds("user devices revoke", &[by_hand("device.revoke", "dave@localhost", "done")]).await?;
    for args in [&["user", "list"][..], &["user", "show", "dave"], &["token", "list"], &["invite", "list"], &["audit"]]
    {
        server.cli(args, "").await?.success()?;
    }
    log.adds("looking", &[]).await?;
    let shown = server.cli(&["audit", "--limit", "2"], "").await?.success()?.stdout;
    assert_eq!(shown.lines().count(), 2);
    assert!(shown.contains("command-line account.import -: done"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn every_change_by_a_client_leaves_one_entry() -> Result<()> {
    let server = TestServer::start().await?;
    let operator = Operator::of(&server).await?;
    server.add_user("admin", "admin").await?;
    server.add_user("carol", "carol").await?;
    let mut admin = Client::connect(server.login("admin", "admin")?).await?;
    let mut log = Log { operator: &operator, known: 3 };
    let dave = &[("accountjid", "dave@localhost"), ("password", "correct horse")];
    let carol = &[("accountjids", "carol@localhost")];
    let of_carol = &[("accountjid", "carol@localhost"), ("password", "correct horse")];
    let table: [(&str, Fields<'_>, &str, &str); 7] = [
        ("add-user", dave, "account.create", "dave@localhost"),
        ("change-user-password", of_carol, "account.password", "carol@localhost"),
        ("disable-user", carol, "account.disable", "carol@localhost"),
        ("reenable-user", carol, "account.enable", "carol@localhost"),
        ("end-user-session", carol, "sessions.end", "carol@localhost"),
        ("announce", &[("announcement", "tea")], "announcement.send", "online"),
        ("delete-user", carol, "account.delete", "carol@localhost"),
    ];
    for (command, fields, action, target) in table {
        run(&mut admin, &format!("http://jabber.org/protocol/admin#{command}"), fields).await?;
        log.adds(command, &[(action, "user", target, "done")]).await?;
    }
    run(&mut admin, "urn:xmpp:invite#create-account", &[("username", "erin")]).await?;
    let newest = entries(&operator).await?.into_iter().next().context("no entry")?;
    assert_eq!((newest.0.as_str(), newest.1.as_str(), newest.3.as_str()), ("invite.create", "user", "done"));
    Ok(())
}

async fn run(client: &mut Client, node: &str, fields: Fields<'_>) -> Result<()> {
    let commands = "http://jabber.org/protocol/commands";
    let begun = client
        .iq(&format!(
            "<iq type='set' to='localhost' id='b'><command xmlns='{commands}' node='{node}' action='execute'/></iq>"
        ))
        .await?;
    let session =
        begun.get_child("command", commands).and_then(|command| command.attr("sessionid")).context("no session")?;
    let fields: String =
        fields.iter().map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>")).collect();
    let form = format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>");
    let done = client
        .iq(&format!(
            "<iq type='set' to='localhost' id='c'><command xmlns='{commands}' node='{node}' sessionid='{session}'>{form}</command></iq>"
        ))
        .await?;
    anyhow::ensure!(done.attr("type") == Some("result"), "{done:?}");
    Ok(())
}
