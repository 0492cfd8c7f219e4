//! Backups (`docs/backup.md`): made while messages flow, restored on an empty machine, refused when they are not whole.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use services::Garage;
use testkit::faults::archived_of;
use testkit::{Backend, Finished, TestServer, whimbreld_with};

/// The name in `made backup NAME in ...`.
fn made(created: &Finished) -> Result<String> {
    let mut words = created.stdout.split_whitespace().skip_while(|word| *word != "backup").skip(1);
    words.next().map(str::to_owned).with_context(|| format!("no backup: {created:?}"))
}

/// Runs a `whimbreld backup` command of this server's configuration.
async fn backup(server: &TestServer, args: &[&str], more: &[(String, String)], stdin: &str) -> Result<Finished> {
    let config = server.config();
    let config = config.to_string_lossy();
    let mut line = vec!["backup"];
    line.extend(args);
    line.extend(["--config", &*config]);
    let environment: Vec<_> = server.environment().iter().chain(more).cloned().collect();
    whimbreld_with(&line, &environment, stdin).await
}

/// The lines of `backup verify` that say how many rows a table has and what their hash is.
async fn sums(server: &TestServer, place: &str, name: &str, more: &[(String, String)]) -> Result<Vec<String>> {
    let verified = backup(server, &["verify", "--from", place, "--backup", name], more, "").await?.success()?;
    let sums: Vec<String> =
        verified.stdout.lines().filter(|line| line.contains(" sha256 ")).map(str::to_owned).collect();
    ensure!(sums.len() > 10, "{verified:?}");
    Ok(sums)
}

/// A folder next to the server's own.
fn beside(server: &TestServer, name: &str) -> Result<PathBuf> {
    Ok(server.dir().parent().context("no folder above")?.join(name))
}

/// As on another machine: the same configuration and master key, another data folder, another database.
fn move_away(server: &mut TestServer, data_dir: &Path) -> Result<()> {
    server.set("server.data_dir", &format!("{:?}", data_dir.to_string_lossy()));
    if server.backend() != Backend::Sqlite {
        let url = server.empty_database(server.backend())?;
        server.set("storage.url", &format!("\"{url}\""));
    }
    Ok(())
}

fn refused(finished: &Finished, why: &str) -> Result<()> {
    ensure!(finished.code == Some(1), "it was not refused: {finished:?}");
    ensure!(finished.stderr.lines().count() == 1, "more than a line: {}", finished.stderr);
    ensure!(finished.stderr.contains(why), "not {why:?}: {}", finished.stderr);
    Ok(())
}

/// The whole story, with backups in `place`.
async fn backed_up_and_restored(place: &str, more: &[(String, String)]) -> Result<()> {
    let mut server = TestServer::start().await?;
    let (mut alice, mut bob) = (server.alice().await?, server.bob().await?);
    alice.befriend(&mut bob).await?;
    for number in 0..50 {
        alice.say("bob@localhost", &format!("before {number}")).await?;
    }
    alice.round_trip().await?;

    let talking = async {
        let mut sent = 0;
        while sent < 300 {
            alice.say("bob@localhost", &format!("meanwhile {sent}")).await?;
            alice.round_trip().await?;
            sent += 1;
        }
        anyhow::Ok(())
    };
    let create = ["create", "--to", place];
    let (created, talked) = tokio::join!(backup(&server, &create, more, ""), talking);
    talked?;
    let name = made(&created?.success()?)?;
    let sums_then = sums(&server, place, &name, more).await?;
    server.kill()?;

    let data_dir = beside(&server, "elsewhere")?;
    move_away(&mut server, &data_dir)?;
    let restored = backup(&server, &["restore", "--from", place], more, "").await?.success()?;
    ensure!(restored.stdout.contains("every hash as in its manifest"), "{restored:?}");
    // Another backup at once tells what is in the database now.
    let again = made(&backup(&server, &["create", "--to", place], more, "").await?.success()?)?;
    ensure!(sums(&server, place, &again, more).await? == sums_then, "the restored rows are others");

    server.start_again().await?;
    let mut alice = server.online("alice").await?;
    let roster = alice.iq("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>").await?;
    let query = roster.get_child("query", "jabber:iq:roster").context("no roster")?;
    ensure!(query.children().any(|item| item.attr("jid") == Some("bob@localhost")), "bob is no friend any more");
    for localpart in ["alice", "bob"] {
        let archive = archived_of(server.login(localpart, localpart)?).await?;
        let bodies: Vec<String> = archive.into_iter().map(|message| message.body).collect();
        let all = (0..50).map(|number| format!("before {number}")).chain((0..300).map(|n| format!("meanwhile {n}")));
        let expected: Vec<String> = all.take(bodies.len()).collect();
        ensure!(bodies.len() >= 50 && bodies == expected, "{localpart} has {} messages, in no order", bodies.len());
    }
    alice.say("bob@localhost", "and life goes on").await?;
    alice.round_trip().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_messages_flow_is_restored_on_an_empty_machine() -> Result<()> {
    let dir = tempfile::tempdir()?;
    backed_up_and_restored(&dir.path().join("backups").to_string_lossy(), &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_goes_for_a_backup_in_s3() -> Result<()> {
    let garage = tokio::task::spawn_blocking(Garage::start).await??;
    backed_up_and_restored(&garage.url("nightly"), &garage.environment()).await
}

/// The objects of a backup with this front of their names, in a folder.
fn files(place: &Path, front: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(front)) {
                found.push(path);
            }
        }
    }
    ensure!(!found.is_empty(), "no {front} in {}", place.display());
    Ok(found)
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused_and_nothing_is_restored() -> Result<()> {
    let mut server = TestServer::start().await?;
    let mut alice = server.alice().await?;
    for number in 0..2_000 {
        alice.say("bob@localhost", &format!("{number} {}", "x".repeat(100))).await?;
        alice.say("alice@localhost", &format!("{number} {}", "x".repeat(100))).await?;
    }
    alice.round_trip().await?;
    server.terminate().await?;
    let (place, other) = (beside(&server, "backups")?, beside(&server, "other")?);
    for place in [&place, &other] {
        backup(&server, &["create", "--to", &place.to_string_lossy()], &[], "").await?.success()?;
    }
    let data_dir = beside(&server, "elsewhere")?;
    move_away(&mut server, &data_dir)?;

    let change = |path: &Path, at: fn(usize) -> usize| -> Result<()> {
        let mut bytes = fs::read(path)?;
        let at = at(bytes.len());
        *bytes.get_mut(at).context("too short")? ^= 1;
        Ok(fs::write(path, bytes)?)
    };
    let cut = |path: &Path, by: usize| -> Result<()> {
        let bytes = fs::read(path)?;
        Ok(fs::write(path, bytes.get(..bytes.len().saturating_sub(by)).context("too short")?)?)
    };
    type Damage<'a> = Box<dyn Fn(&Path) -> Result<()> + 'a>;
    let damages: Vec<(&str, &str, Damage<'_>)> = vec![
        ("rows", "rows was changed or cut off", Box::new(|path| change(path, |_| 0))),
        ("rows", "rows was changed or cut off", Box::new(|path| change(path, |len| len / 2))),
        ("rows", "rows was changed or cut off", Box::new(|path| change(path, |len| len - 1))),
        ("rows", "rows was changed or cut off", Box::new(|path| cut(path, 1))),
        // Exactly at the end of a segment.
        (
            "rows",
            "rows was changed or cut off",
            Box::new(|path| {
                let len = fs::metadata(path)?.len();
                cut(path, usize::try_from(len % (64 * 1024 + 16))?)
            }),
        ),
        ("rows", "rows was changed or cut off", Box::new(|path| Ok(fs::remove_file(path)?))),
        (
            "rows",
            "rows was changed or cut off",
            Box::new(|path| {
                let others = files(&other, "rows")?;
                Ok(fs::copy(others.first().context("no rows")?, path).map(drop)?)
            }),
        ),
        ("media", "media was changed or cut off", Box::new(|path| cut(path, 1))),
        ("manifest", "manifest was changed or cut off", Box::new(|path| change(path, |len| len / 2))),
        ("manifest", "there is no backup in", Box::new(|path| Ok(fs::remove_file(path)?))),
        ("keys", "keys was changed or cut off", Box::new(|path| change(path, |len| len / 2))),
        ("keys", "keys was changed or cut off", Box::new(|path| Ok(fs::remove_file(path)?))),
        ("lock", "its lock is not readable", Box::new(|path| cut(path, 2))),
        ("lock", "the accounts' keys are missing in", Box::new(|path| Ok(fs::remove_file(path)?))),
        ("header", "its header is not readable", Box::new(|path| cut(path, 2))),
        ("header", "there is no backup", Box::new(|path| Ok(fs::remove_file(path)?))),
    ];
    for (front, why, damage) in damages {
        for path in files(&place, front)? {
            let whole = fs::read(&path)?;
            damage(&path)?;
            let restored = backup(&server, &["restore", "--from", &place.to_string_lossy()], &[], "").await?;
            refused(&restored, why).with_context(|| format!("{front} damaged"))?;
            fs::write(&path, whole)?;
        }
    }
    let listed = server.cli(&["user", "list"], "").await?.success()?;
    ensure!(listed.stdout.is_empty(), "something was restored: {}", listed.stdout);
    backup(&server, &["restore", "--from", &place.to_string_lossy()], &[], "").await?.success()?;
    let listed = server.cli(&["user", "list"], "").await?.success()?;
    ensure!(listed.stdout.contains("alice@localhost"), "alice was not restored: {}", listed.stdout);
    Ok(())
}

#[tokio::test]
async fn only_the_right_keys_open_a_backup() -> Result<()> {
    let server = TestServer::start().await?;
    server.alice().await?.close().await?;
    let (plain, locked) = (beside(&server, "plain")?, beside(&server, "locked")?);
    let (plain, locked) = (plain.to_string_lossy(), locked.to_string_lossy());
    backup(&server, &["create", "--to", &plain], &[], "").await?.success()?;
    backup(&server, &["create", "--to", &locked, "--passphrase-stdin"], &[], "correct horse\n").await?.success()?;

    refused(&backup(&server, &["verify", "--from", &locked], &[], "").await?, "give it with --passphrase-stdin")?;
    let wrong = backup(&server, &["verify", "--from", &locked, "--passphrase-stdin"], &[], "battery staple\n").await?;
    refused(&wrong, "the passphrase does not open backup")?;
    backup(&server, &["verify", "--from", &locked, "--passphrase-stdin"], &[], "correct horse\n").await?.success()?;
    let none = backup(&server, &["create", "--to", &locked, "--passphrase-stdin"], &[], "\n").await?;
    refused(&none, "there is no passphrase on standard input")?;

    let mut stranger = TestServer::start().await?;
    let unlocked = ["verify", "--from", &locked, "--passphrase-stdin"];
    backup(&stranger, &unlocked, &[], "correct horse\n").await?.success()?;
    stranger.terminate().await?;
    let restored =
        backup(&stranger, &["restore", "--from", &locked, "--passphrase-stdin"], &[], "correct horse\n").await?;
    refused(&restored, "was made with another master key").context("a passphrase does not open rows")?;
    refused(&backup(&stranger, &["verify", "--from", &plain], &[], "").await?, "was made with another master key")?;
    let nothing = beside(&server, "nothing")?;
    refused(
        &backup(&server, &["verify", "--from", &nothing.to_string_lossy()], &[], "").await?,
        "there is no backup in",
    )?;
    let unknown =
        backup(&server, &["verify", "--from", &plain, "--backup", "20200101T000000Z-00000000"], &[], "").await?;
    refused(&unknown, "`whimbreld backup list` names those there are")?;
    let away = backup(&server, &["verify", "--from", "s3://bucket?endpoint=http://127.0.0.1:9"], &[], "").await?;
    refused(&away, "needs credentials: set AWS_ACCESS_KEY_ID")
}

#[tokio::test]
async fn what_is_in_use_is_replaced_only_on_request() -> Result<()> {
    let mut server = TestServer::start().await?;
    server.alice().await?.close().await?;
    let place = beside(&server, "backups")?;
    let place = place.to_string_lossy();
    backup(&server, &["create", "--to", &place], &[], "").await?.success()?;
    server.add_user("mallory", "mallory").await?;

    refused(&backup(&server, &["restore", "--from", &place], &[], "").await?, "stop it first")?;
    server.terminate().await?;
    refused(&backup(&server, &["restore", "--from", &place], &[], "").await?, "the database is not empty")?;
    backup(&server, &["restore", "--from", &place, "--force"], &[], "").await?.success()?;
    let listed = server.cli(&["user", "list"], "").await?.success()?;
    ensure!(listed.stdout.trim() == "alice@localhost", "not what was backed up: {}", listed.stdout);
    server.start_again().await?;
    server.online("alice").await?.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_deleted_is_noise_in_every_backup_of_a_place_from_the_next_one_on() -> Result<()> {
    let mut server = TestServer::start().await?;
    let (mut alice, mut bob) = (server.alice().await?, server.bob().await?);
    alice.befriend(&mut bob).await?;
    alice.say("bob@localhost", "between us").await?;
    alice.round_trip().await?;
    alice.close().await?;
    let place = beside(&server, "backups")?;
    let place = place.to_string_lossy();
    let create = ["create", "--to", &*place];
    let first = made(&backup(&server, &create, &[], "").await?.success()?)?;
    let sums_then = sums(&server, &place, &first, &[]).await?;
    let deleted = server.cli(&["user", "delete", "alice"], "").await?.success()?;
    ensure!(deleted.stdout.contains("backups open it until the next"), "{deleted:?}");
    backup(&server, &create, &[], "").await?.success()?;
    ensure!(sums(&server, &place, &first, &[]).await? == sums_then, "its rows are the same as ever");
    server.kill()?;

    let data_dir = beside(&server, "elsewhere")?;
    move_away(&mut server, &data_dir)?;
    let restored = backup(&server, &["restore", "--from", &*place, "--backup", &first], &[], "").await?.success()?;
    ensure!(restored.stdout.contains("1 account was deleted since then"), "{restored:?}");
    let listed = server.cli(&["user", "list"], "").await?.success()?;
    ensure!(listed.stdout.trim() == "bob@localhost", "not only bob: {}", listed.stdout);
    server.start_again().await?;
    let archive = archived_of(server.login("bob", "bob")?).await?;
    ensure!(archive.iter().any(|message| message.body == "between us"), "bob lost his copy");
    ensure!(archived_of(server.login("alice", "alice")?).await.is_err(), "alice is back");
    Ok(())
}

#[tokio::test]
async fn a_place_keeps_as_many_backups_as_it_is_told() -> Result<()> {
    let server = TestServer::start().await?;
    let place = beside(&server, "backups")?;
    let place = place.to_string_lossy();
    let mut names = Vec::new();
    for _ in 0..4 {
        // Two in a second sort by chance.
        let name = made(&backup(&server, &["create", "--to", &place], &[], "").await?.success()?)?;
        names.push(name);
    }
    names.sort();
    let list = async || -> Result<Vec<String>> {
        let listed = backup(&server, &["list", "--from", &place], &[], "").await?.success()?;
        Ok(listed.stdout.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    };
    ensure!(list().await? == names, "not every backup is listed");
    backup(&server, &["create", "--to", &place, "--keep", "2"], &[], "").await?.success()?;
    let kept = list().await?;
    ensure!(kept.len() == 2, "{kept:?} are kept");
    for name in kept {
        sums(&server, &place, &name, &[]).await?;
    }
    Ok(())
}
