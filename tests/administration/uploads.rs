//! What an account has uploaded, seen and taken away by an operator.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Client, TestServer, http_client};

use crate::operator::{Operator, answered};

const UPLOAD: &str = "urn:xmpp:http:upload:0";

/// A server, and alice with what she has uploaded.
struct Stage {
    server: TestServer,
    alice: Client,
    http: reqwest::Client,
}

impl Stage {
    async fn new() -> Result<Self> {
        let server = TestServer::builder().set("media.quota", "5000").start().await?;
        let alice = server.alice().await?;
        let http = http_client(&server.ca())?;
        Ok(Self { server, alice, http })
    }

    /// Where a slot is written and where it is read.
    async fn slot(&mut self, name: &str, bytes: usize) -> Result<(String, String)> {
        let asked = format!(
            "<iq type='get' to='upload.localhost'><request xmlns='{UPLOAD}' filename='{name}' size='{bytes}' \
             content-type='image/png'/></iq>"
        );
        let answer = self.alice.iq(&asked).await?;
        let slot = answer.get_child("slot", UPLOAD).with_context(|| format!("no slot: {answer:?}"))?;
        let url = |name| slot.get_child(name, UPLOAD).and_then(|child| child.attr("url")).map(str::to_owned);
        Ok((url("put").context("no put")?, url("get").context("no get")?))
    }

    /// Where a file that is there is read.
    async fn file(&mut self, name: &str, content: &[u8]) -> Result<String> {
        let (put, get) = self.slot(name, content.len()).await?;
        let put = self.http.put(put).header("content-type", "image/png").body(content.to_vec());
        answered(put).await?.expect(201)?;
        Ok(get)
    }

    async fn status_of(&self, url: &str) -> Result<u16> {
        Ok(self.http.get(url).send().await?.status().as_u16())
    }

    /// Files in the media store.
    fn parts(&self) -> Vec<PathBuf> {
        let (mut folders, mut parts) = (vec![self.server.dir().join("data/media")], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { folders.push(path) } else { parts.push(path) }
            }
        }
        parts
    }

    async fn until_parts(&self, count: usize) -> Result<()> {
        let deadline = tokio::time::Instant::now() + testkit::DEADLINE;
        while self.parts().len() != count {
            ensure!(tokio::time::Instant::now() < deadline, "the store has {:?}", self.parts());
            tokio::time::sleep(Duration::from_millis(10)).await; // tidy: allow sleep, one step of a bounded poll
        }
        Ok(())
    }
}

/// The newest entry of the audit log: action, way, target, detail, outcome.
async fn newest_entry(operator: &Operator) -> Result<[String; 5]> {
    let log = operator.get("/audit?limit=1").await?.expect(200)?.json();
    Ok(["action", "via", "target", "detail", "outcome"]
        .map(|name| log["entries"][0][name].as_str().unwrap_or("-").to_owned()))
}

#[tokio::test]
async fn uploads_are_listed_without_their_address_and_removed_one_by_one() -> Result<()> {
    let mut stage = Stage::new().await?;
    let operator = Operator::of(&stage.server).await?;
    let mut urls = Vec::new();
    for (name, byte) in [("a b.png", 1), ("c.png", 2), ("d.png", 3)] {
        urls.push((name, stage.file(name, &vec![byte; 1_000]).await?));
    }
    stage.slot("open.png", 500).await?;

    let (mut listed, mut path) = (Vec::new(), String::from("/accounts/alice/uploads?limit=3"));
    loop {
        let page = operator.get(&path).await?.expect(200)?;
        for (_, url) in &urls {
            let token = url.rsplit('/').nth(1).context("no token in the address")?;
            assert!(token.len() > 20 && !page.text.contains(token), "{} gives {url} away", page.text);
        }
        let page = page.json();
        listed.extend(page["uploads"].as_array().context("no list")?.iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/accounts/alice/uploads?limit=3&after={next}");
    }
    let mut seen: Vec<_> = listed
        .iter()
        .map(|upload| (upload["file_name"].as_str().unwrap(), upload["bytes"].as_u64(), upload["whole"].as_bool()))
        .collect();
    seen.sort_unstable();
    let file = |name| (name, Some(1_000), Some(true));
    assert_eq!(seen, [file("a b.png"), file("c.png"), file("d.png"), ("open.png", Some(500), Some(false))]);
    assert!(listed.iter().all(|upload| upload["content_type"] == "image/png" && upload["at"].is_string()));

    let usage = json!({ "files": 3, "bytes": 3_000, "slots": 1, "slot_bytes": 500, "quota_bytes": 5_000 });
    assert_eq!(operator.get("/accounts/alice").await?.expect(200)?.json()["uploads"], usage);
    assert_eq!(operator.get("/accounts").await?.expect(200)?.json()["accounts"][0]["uploads"], Value::Null);

    let id = |name: &str| {
        let upload = listed.iter().find(|upload| upload["file_name"] == name);
        upload.and_then(|upload| upload["id"].as_str()).map(str::to_owned).context("it is not listed")
    };
    let gone = id("c.png")?;
    operator.delete(&format!("/accounts/alice/uploads/{gone}")).await?.expect(204)?;
    assert_eq!(newest_entry(&operator).await?, ["upload.remove", "token", "alice@localhost", &gone, "done"]);
    for (name, url) in &urls {
        assert_eq!(stage.status_of(url).await?, if *name == "c.png" { 404 } else { 200 }, "{name}");
    }
    stage.until_parts(2).await?;
    let usage = &operator.get("/accounts/alice").await?.expect(200)?.json()["uploads"];
    assert_eq!((&usage["files"], &usage["bytes"]), (&json!(2), &json!(2_000)));

    operator.delete(&format!("/accounts/alice/uploads/{gone}")).await?.expect(404)?.detail()?;
    assert_eq!(newest_entry(&operator).await?, ["upload.remove", "token", "alice@localhost", &gone, "missing"]);
    Ok(())
}

#[tokio::test]
async fn only_who_may_sees_and_removes_uploads_and_only_of_their_account() -> Result<()> {
    let mut stage = Stage::new().await?;
    let operator = Operator::of(&stage.server).await?;
    let url = stage.file("a.png", &[1; 100]).await?;
    stage.server.add_user("bob", "bob").await?;
    let listed = operator.get("/accounts/alice/uploads").await?.expect(200)?.json();
    let id = listed["uploads"][0]["id"].as_str().context("no id")?;
    let alices = format!("/accounts/alice/uploads/{id}");

    let other = Operator::with(&stage.server, "other", "accounts:read,accounts:write,uploads:read").await?;
    other.get("/accounts/alice/uploads").await?.expect(200)?;
    assert!(other.delete(&alices).await?.expect(403)?.detail()?.contains("uploads:write"));
    let other = Operator::with(&stage.server, "blind", "accounts:read,uploads:write").await?;
    assert!(other.get("/accounts/alice/uploads").await?.expect(403)?.detail()?.contains("uploads:read"));

    for path in [
        format!("/accounts/bob/uploads/{id}"),
        format!("/accounts/nobody/uploads/{id}"),
        format!("/accounts/a%40b/uploads/{id}"),
        format!("/accounts/alice/uploads/{}", "F".repeat(32)),
        String::from("/accounts/alice/uploads/00000000000000000000000000000000"),
        String::from("/accounts/alice/uploads/x"),
    ] {
        operator.delete(&path).await?.expect(404)?.detail()?;
    }
    operator.get("/accounts/nobody/uploads").await?.expect(404)?.detail()?;
    operator.get("/accounts/alice/uploads?after=x").await?.expect(400)?.detail()?;
    assert_eq!(operator.get("/accounts/bob/uploads").await?.expect(200)?.json()["uploads"], json!([]));
    assert_eq!(stage.status_of(&url).await?, 200);
    other.delete(&alices).await?.expect(204)?;
    assert_eq!(stage.status_of(&url).await?, 404);
    Ok(())
}

#[tokio::test]
async fn the_command_line_lists_and_removes_uploads_while_the_server_runs_and_while_it_does_not() -> Result<()> {
    let mut stage = Stage::new().await?;
    let operator = Operator::of(&stage.server).await?;
    let url = stage.file("a b.png", &[1; 100]).await?;
    for byte in 2..5 {
        stage.file("c.png", &[byte; 100]).await?;
    }
    let listed = stage.server.cli(&["user", "uploads", "list", "alice"], "").await?.success()?.stdout;
    assert_eq!(listed.lines().count(), 4, "{listed}");
    let line = listed.lines().find(|line| line.ends_with(" whole 100 image/png a b.png")).context(listed.clone())?;
    let id = line.split(' ').next().context("no id")?;
    let shown = stage.server.cli(&["user", "show", "alice"], "").await?.success()?.stdout;
    assert!(shown.contains("uploads    4 files, 0 open slots, 400 of 5000 bytes"), "{shown}");

    let removed = stage.server.cli(&["user", "uploads", "remove", "alice", id], "").await?.success()?.stdout;
    assert_eq!(removed, "removed 1 of the uploads of alice@localhost\n");
    assert_eq!(newest_entry(&operator).await?, ["upload.remove", "command-line", "alice@localhost", id, "done"]);
    assert_eq!((stage.status_of(&url).await?, stage.parts().len()), (404, 3));
    for (args, said) in [
        (&["user", "uploads", "remove", "alice", id][..], "alice@localhost has no upload"),
        (&["user", "uploads", "remove", "alice", "x"], "32 hexadecimal digits"),
        (&["user", "uploads", "remove", "nobody"], "there is no account nobody@localhost"),
        (&["user", "uploads", "list", "nobody"], "there is no account nobody@localhost"),
    ] {
        let failed = stage.server.cli(args, "").await?;
        assert!(
            failed.code == Some(1) && failed.stderr.contains(said) && failed.stderr.lines().count() == 1,
            "{failed:?}"
        );
    }

    let one = stage.server.cli(&["user", "uploads", "remove", "alice"], "").await?.success()?.stdout;
    assert_eq!(one, "removed 3 of the uploads of alice@localhost\n");
    assert_eq!(newest_entry(&operator).await?, ["upload.remove", "command-line", "alice@localhost", "all", "done"]);
    assert_eq!(stage.parts().len(), 0);

    stage.file("last.png", &[9; 100]).await?;
    stage.server.terminate().await?;
    let last = stage.server.cli(&["user", "uploads", "remove", "alice"], "").await?.success()?.stdout;
    assert_eq!((last.as_str(), stage.parts().len()), ("removed 1 of the uploads of alice@localhost\n", 0));
    Ok(())
}
