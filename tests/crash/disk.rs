//! Disks that are full, read-only, broken or slow: a message that cannot be stored is refused and not acknowledged,
//! everything else goes on, and nothing has to be restarted (`DESIGN.md`, invariants 1 and 5).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use minidom::Element;
use rusqlite::Connection;
use testkit::faults::{archived_of, limit_file_bytes};
use testkit::{Client, Suspended, TestServer};
use tokio::sync::oneshot;

const CLIENT: &str = "jabber:client";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// How long anything that needs no write may take while writes wait.
const UNDISTURBED: Duration = Duration::from_millis(200);

fn body(message: &Element) -> Option<String> {
    message.get_child("body", CLIENT).map(Element::text)
}

fn condition(of: &Element, namespace: &str) -> String {
    let condition = of.children().find(|child| child.ns() == namespace && child.name() != "text");
    condition.map(|condition| condition.name().to_owned()).unwrap_or_default()
}

/// What a client hears of a message that could not be stored: an error for the stanza, which says that it may be tried
/// again, then the end of the stream, because `h` must not count it (XEP-0198 §4). Returns the error's condition.
async fn hears_of_a_refusal(client: &mut Client, id: &str) -> Result<String> {
    let ended = client.ended().await?;
    ensure!(!ended.iter().any(|element| element.name() == "a"), "something was acknowledged: {ended:?}");
    let error = ended.iter().find(|element| element.attr("id") == Some(id) && element.attr("type") == Some("error"));
    let error = error.and_then(|stanza| stanza.get_child("error", CLIENT)).context("no error for the message")?;
    ensure!(error.attr("type") == Some("wait"), "an error that does not say that it may get better: {error:?}");
    let end = ended.iter().find(|element| element.name() == "error").context("the stream ends without an error")?;
    ensure!(condition(end, STREAM_ERRORS) == "resource-constraint", "the stream ends with {end:?}");
    Ok(condition(error, STANZAS))
}

/// Comes back and is told that not all was handled.
async fn resumes_with(h: u32, suspended: Suspended) -> Result<Client> {
    let (client, answer) = suspended.resume().await?;
    ensure!(answer.attr("h") == Some(&h.to_string()), "h is {:?}, not {h}", answer.attr("h"));
    Ok(client)
}

/// Everything that needs no write is answered, and soon.
async fn reading_goes_on(client: &mut Client, server: &TestServer, name: &str) -> Result<()> {
    let asked = Instant::now();
    client.round_trip().await?;
    client.iq("<iq type='get'><query xmlns='jabber:iq:roster'/></iq>").await?;
    archived_of(server.login(name, name)?).await?;
    ensure!(asked.elapsed() < Duration::from_secs(2), "reading took {:?}", asked.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_refused_in_one_line() -> Result<()> {
    let mut server = TestServer::start().await?;
    server.terminate().await?;
    // The one way to make a folder read-only that root cannot write to either.
    let mounted = ReadOnly::mount(server.dir().to_owned())?;
    let run = mounted.run(&server)?;
    let complaint = String::from_utf8_lossy(&run.stderr);
    ensure!(!run.status.success(), "it started");
    let lines: Vec<&str> = complaint.lines().filter(|line| !line.contains(" INFO ")).collect();
    ensure!(lines.len() == 1, "not one line: {complaint}");
    let path = server.dir().to_string_lossy().into_owned();
    ensure!(complaint.contains(&path) && complaint.to_lowercase().contains("read-only"), "not clear: {complaint}");
    // Nothing was spoilt.
    server.start_again().await?;
    server.alice().await?.round_trip().await
}

/// A folder mounted read-only for the processes that this starts.
struct ReadOnly {
    folder: PathBuf,
}

impl ReadOnly {
    fn mount(folder: PathBuf) -> Result<Self> {
        let read_only = Self { folder };
        let tried = read_only.command("true").output().context("unshare is missing: apt-get install util-linux")?;
        let complaint = String::from_utf8_lossy(&tried.stderr);
        ensure!(tried.status.success(), "a mount of one's own is not allowed here; run as root: {complaint}");
        Ok(read_only)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
        let mut command = std::process::Command::new("unshare");
        let script = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && cd / && exec \"$@\"";
        // In a user namespace of its own the test needs no root.
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(&self.folder).arg(program);
        command
    }

    fn run(&self, server: &TestServer) -> Result<std::process::Output> {
        let mut command = self.command(testkit::binary()?);
        command.args(["run", "--config"]).arg(server.config()).envs(server.environment().iter().cloned());
        Ok(command.output()?)
    }
}

#[tokio::test]
async fn when_every_write_fails_nothing_is_acknowledged_and_all_is_well_once_it_works_again() -> Result<()> {
    let server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    let to = bob.bare().to_owned();
    alice.enable_sm().await?;
    alice.say(&to, "before").await?;
    ensure!(alice.acked().await? == 1);
    ensure!(body(&bob.message().await?).as_deref() == Some("before"));

    let pid = server.pid().context("no server")?;
    limit_file_bytes(pid, Some(0))?;
    let id = alice.say(&to, "lost").await?;
    ensure!(hears_of_a_refusal(&mut alice, &id).await? == "internal-server-error");
    reading_goes_on(&mut bob, &server, "bob").await?;
    let mut alice = resumes_with(1, alice.cut()).await?;
    let id = alice.say(&to, "lost again").await?;
    hears_of_a_refusal(&mut alice, &id).await?;
    bob.expect_nothing().await?;

    limit_file_bytes(pid, None)?;
    ensure!(server.pid() == Some(pid), "it was restarted");
    let mut alice = resumes_with(1, alice.cut()).await?;
    alice.say(&to, "after").await?;
    ensure!(alice.acked().await? == 2);
    ensure!(body(&bob.message().await?).as_deref() == Some("after"));
    for name in ["alice", "bob"] {
        let archive = archived_of(server.login(name, name)?).await?;
        let bodies: Vec<&str> = archive.iter().map(|archived| archived.body.as_str()).collect();
        ensure!(bodies == ["before", "after"], "{name} has {bodies:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_full_disk_refuses_messages_until_something_is_deleted() -> Result<()> {
    let server = TestServer::builder().set("limits.database_bytes_max", "1048576").start().await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    let mut carol = server.online("carol").await?;
    alice.enable_sm().await?;
    let text = "x".repeat(20_000);
    let (myself, to) = (carol.bare().to_owned(), bob.bare().to_owned());
    // Carol fills the disk with notes to herself.
    loop {
        let id = carol.say(&myself, &text).await?;
        let answer = carol
            .until(|stanza| stanza.name() == "message" && (body(stanza).is_some() || stanza.attr("id") == Some(&id)))
            .await?;
        if answer.attr("type") == Some("error") {
            let error = answer.get_child("error", CLIENT).context("no error")?;
            ensure!(
                error.attr("type") == Some("wait") && condition(error, STANZAS) == "resource-constraint",
                "{error:?}"
            );
            break;
        }
    }
    carol.round_trip().await?;
    let id = alice.say(&to, &text).await?;
    ensure!(hears_of_a_refusal(&mut alice, &id).await? == "resource-constraint");
    reading_goes_on(&mut bob, &server, "bob").await?;
    bob.expect_nothing().await?;

    server.cli(&["user", "delete", "carol@localhost"], "").await?.success()?;
    let mut alice = resumes_with(0, alice.cut()).await?;
    alice.say(&to, &text).await?;
    ensure!(alice.acked().await? == 1);
    ensure!(body(&bob.message().await?).as_ref() == Some(&text));
    ensure!(archived_of(server.login("bob", "bob")?).await?.len() == 1);
    Ok(())
}

/// Another process holds the database's write lock until told to let go.
async fn hold_writes(database: PathBuf) -> Result<oneshot::Sender<()>> {
    let (release, released) = oneshot::channel::<()>();
    let (tell, held) = oneshot::channel();
    std::thread::spawn(move || {
        let locked = Connection::open(database).and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            Ok(connection)
        });
        let (connection, result) = match locked {
            Ok(connection) => (Some(connection), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let _ = tell.send(result);
        let _ = released.blocking_recv();
        drop(connection);
    });
    held.await??;
    Ok(release)
}

#[tokio::test]
async fn while_the_disk_is_slow_only_those_who_write_wait() -> Result<()> {
    let server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    let mut bob = server.bob().await?;
    let mut carol = server.online("carol").await?;
    alice.befriend(&mut bob).await?;
    let (from, to) = (carol.bare().to_owned(), bob.bare().to_owned());
    alice.enable_sm().await?;
    for number in 0..10 {
        alice.say(&to, &format!("note {number}")).await?;
        bob.message().await?;
    }
    ensure!(alice.acked().await? == 10);

    let release = hold_writes(server.dir().join(database(&server)?)).await?;
    let held = Instant::now();
    for number in 10..20 {
        alice.say(&to, &format!("note {number}")).await?;
        carol.say(&to, &format!("from carol {number}")).await?;
    }
    let mut slowest = Duration::ZERO;
    while held.elapsed() < Duration::from_secs(2) {
        for what in ["ping", "chat state", "presence", "archive"] {
            let asked = Instant::now();
            match what {
                "ping" => bob.round_trip().await?,
                "chat state" => {
                    bob.send(&format!(
                        "<message type='chat' to='{from}'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
                    ))
                    .await?;
                    carol.until(|stanza| stanza.children().any(|child| child.name() == "composing")).await?;
                }
                "presence" => {
                    let status = format!("{:?}", held.elapsed());
                    bob.send(&format!("<presence><status>{status}</status></presence>")).await?;
                    alice
                        .until(|stanza| stanza.get_child("status", CLIENT).is_some_and(|said| said.text() == status))
                        .await?;
                }
                _ => {
                    let page = "<iq type='set'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>5</max></set></query></iq>";
                    bob.iq(page).await?;
                }
            }
            ensure!(asked.elapsed() < UNDISTURBED, "{what} took {:?} while others wrote", asked.elapsed());
            slowest = slowest.max(asked.elapsed());
        }
    }
    println!("slowest answer in {:?}: {slowest:?}", held.elapsed());
    ensure!(!bob.arrived().await?.iter().any(|stanza| body(stanza).is_some()), "delivered before it was stored");

    release.send(()).map_err(|()| anyhow::anyhow!("the lock was not held"))?;
    let mut got = (Vec::new(), Vec::new());
    while got.0.len() + got.1.len() < 20 {
        let text = body(&bob.message().await?).unwrap_or_default();
        if text.starts_with("note") { got.0.push(text) } else { got.1.push(text) }
    }
    let expected = |what: &str| (10..20).map(|number| format!("{what} {number}")).collect::<Vec<_>>();
    ensure!(got == (expected("note"), expected("from carol")), "out of order: {got:?}");
    ensure!(alice.acked().await? == 20);
    let archive = archived_of(server.login("bob", "bob")?).await?;
    let from_alice: Vec<String> =
        archive.into_iter().map(|archived| archived.body).filter(|body| body.starts_with("note")).collect();
    ensure!(
        from_alice == (0..20).map(|number| format!("note {number}")).collect::<Vec<_>>(),
        "stored out of order: {from_alice:?}"
    );
    Ok(())
}

/// The database's file inside the server's folder.
fn database(server: &TestServer) -> Result<PathBuf> {
    for entry in ["whimbrel.db", "data/whimbrel.db"] {
        if server.dir().join(entry).exists() {
            return Ok(entry.into());
        }
    }
    anyhow::bail!("no database in {}", server.dir().display())
}
