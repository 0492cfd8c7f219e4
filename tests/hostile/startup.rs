//! `whimbreld run` that cannot run: one line that says where, what and how to mend it, and exit code 1.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use testkit::{Finished, Folder, TestServer};

/// A failure as the operator's contract has it; its line without the program's name.
pub(crate) fn one_line(done: &Finished) -> Result<String> {
    ensure!(done.code == Some(1), "exit code {:?}: {}", done.code, done.stderr);
    let line = done.stderr.strip_suffix('\n').with_context(|| format!("no line: {:?}", done.stderr))?;
    ensure!(!line.contains('\n'), "more than one line:\n{}", done.stderr);
    Ok(line.strip_prefix("whimbreld: ").with_context(|| line.to_owned())?.to_owned())
}

async fn refusal(folder: &Folder) -> Result<String> {
    one_line(&folder.whimbreld(&["run"], &[], "").await?)
}

/// The line of the configuration file that holds `text`, as messages name it.
fn place(folder: &Folder, text: &str) -> Result<String> {
    let found = folder.text()?.lines().position(|line| line.contains(text)).context("no such line")?;
    Ok(format!("{}:{}", folder.config().display(), found + 1))
}

#[tokio::test]
async fn a_mistake_in_the_file_is_named_with_its_line() -> Result<()> {
    for (old, new, expected) in [
        (
            "allow_plaintext = false",
            "allow_plaintex = false",
            "unknown key `c2s.allow_plaintex`, did you mean `c2s.allow_plaintext`?",
        ),
        (
            "allow_plaintext = false",
            "allow_plaintext = \"no\"",
            "`c2s.allow_plaintext` must be true or false, not \"no\"",
        ),
        ("[limits]", "[limits]\nstanza_bytes_max = 5", "`limits.stanza_bytes_max` must be at least 10000"),
        (
            "[limits]",
            "[limits]\nstanza_byte_max = 50000",
            "unknown key `limits.stanza_byte_max`, did you mean `limits.stanza_bytes_max`?",
        ),
        (
            "retention = \"forever\"",
            "retention = \"sometimes\"",
            "`archive.retention` must be \"forever\", \"until-delivered\"",
        ),
        (
            "listen = [\"127.0.0.1:0\"]",
            "listen = [\"everywhere\"]",
            "`c2s.listen` entry 1: must be an IP address and port",
        ),
    ] {
        let folder = Folder::init().await?;
        folder.edit(old, new)?;
        let line = refusal(&folder).await.with_context(|| format!("for {new}"))?;
        let place = place(&folder, new.lines().last().unwrap_or(new))?;
        let rest = line
            .strip_prefix(&format!("{place}: "))
            .with_context(|| format!("{line:?} does not begin with {place}"))?;
        ensure!(rest.starts_with(expected), "{rest:?} instead of {expected:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_not_toml_or_not_there_is_said_in_one_line() -> Result<()> {
    let folder = Folder::init().await?;
    folder.edit("[server]", "[server")?;
    let line = refusal(&folder).await?;
    ensure!(line.starts_with(&place(&folder, "[server")?), "{line}");
    std::fs::remove_file(folder.config())?;
    let line = refusal(&folder).await?;
    ensure!(line.starts_with(&format!("cannot read {}", folder.config().display())), "{line}");
    ensure!(line.contains("whimbreld init"), "{line}");
    Ok(())
}

#[tokio::test]
async fn a_mistake_in_the_environment_is_named_with_its_variable() -> Result<()> {
    let folder = Folder::init().await?;
    for (name, value, expected) in [
        ("WHIMBREL_C2S__LISTN", "[]", "did you mean"),
        ("WHIMBREL_LIMITS__MAM_PAGE_MAX", "lots", "must be a number"),
        ("WHIMBREL_C2S__LISTEN", "[", "WHIMBREL_C2S__LISTEN"),
        ("WHIMBREL_SERVER_DOMAIN", "example.org", "WHIMBREL_SERVER__DOMAIN"),
    ] {
        let environment = [(name.to_owned(), value.to_owned())];
        let line = one_line(&folder.whimbreld(&["run"], &environment, "").await?).with_context(|| name.to_owned())?;
        ensure!(line.contains(name) && line.contains(expected), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_key() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?;
    for key in ["listen", "direct_tls_listen"] {
        let folder = Folder::init().await?;
        folder.edit(&format!("\n{key} = [\"127.0.0.1:0\"]"), &format!("\n{key} = [\"{address}\"]"))?;
        let line = refusal(&folder).await?;
        ensure!(
            line.starts_with(&format!("c2s.{key}: cannot listen on {address}: another program uses the port")),
            "{line}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_second_server_on_one_folder_is_told_who_has_it() -> Result<()> {
    let mut server = TestServer::builder().unset("c2s.allow_plaintext").start().await?;
    let line = one_line(&server.cli(&["run"], "").await?)?;
    let pid = server.pid().context("no process")?;
    ensure!(line.starts_with(&format!("another whimbreld (process {pid}) uses ")), "{line}");
    // The first one did not notice.
    server.add_user("alice", "alice").await?;
    server.terminate().await
}

#[tokio::test]
async fn keys_and_certificates_that_cannot_be_used_are_named() -> Result<()> {
    for (file, content, expected) in [
        ("master.key", None, "cannot read the master key"),
        ("master.key", Some("nonsense"), "is not a master key: it must hold 64 hexadecimal digits"),
        ("tls/cert.pem", None, "cert.pem"),
        ("tls/cert.pem", Some("nonsense"), "cert.pem"),
        ("tls/key.pem", None, "key.pem"),
        ("tls/key.pem", Some("nonsense"), "key.pem"),
        ("data/whimbrel.db", Some("this is no database, and long enough to be told from an empty file"), "whimbrel.db"),
    ] {
        let folder = Folder::init().await?;
        let path = folder.path().join(file);
        match content {
            Some(content) => std::fs::write(&path, content.repeat(100))?,
            None => std::fs::remove_file(&path)?,
        }
        let line = refusal(&folder).await.with_context(|| format!("for {file}"))?;
        ensure!(line.contains(expected), "{line:?} for {file}");
        ensure!(line.contains(&*path.to_string_lossy()), "{line:?} does not name {file}");
        ensure!(!line.contains("nonsense"), "no content of a key in an error: {line}");
    }
    Ok(())
}

#[tokio::test]
async fn the_master_key_of_another_server_is_refused() -> Result<()> {
    let (folder, other) = (Folder::init().await?, Folder::init().await?);
    folder.whimbreld(&["user", "add", "alice", "--password-stdin"], &[], "secret\n").await?.success()?;
    std::fs::copy(other.path().join("master.key"), folder.path().join("master.key"))?;
    for command in [&["run"][..], &["user", "list"], &["keys", "rotate"]] {
        let line = one_line(&folder.whimbreld(command, &[], "").await?)?;
        ensure!(line.contains("whimbrel.db: the master key does not open this database"), "{line}");
        ensure!(line.contains("it needs the key with fingerprint "), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused() -> Result<()> {
    let (folder, other) = (Folder::init().await?, Folder::init().await?);
    std::fs::copy(other.path().join("tls/key.pem"), folder.path().join("tls/key.pem"))?;
    let line = refusal(&folder).await?;
    ensure!(line.contains("key.pem") && line.contains("cert.pem"), "{line}");
    Ok(())
}

#[tokio::test]
async fn init_overwrites_nothing() -> Result<()> {
    let folder = Folder::init().await?;
    let before = std::fs::read(folder.path().join("master.key"))?;
    let done =
        testkit::whimbreld(&["init", "--domain", "localhost", "--dir", &folder.path().to_string_lossy()], "").await?;
    let line = one_line(&done)?;
    ensure!(line.contains("whimbrel.toml"), "{line}");
    ensure!(std::fs::read(folder.path().join("master.key"))? == before, "the key is as it was");
    Ok(())
}

#[tokio::test]
async fn a_wrong_command_line_is_said_in_one_line_too() -> Result<()> {
    for (arguments, expected) in [
        (&["run"][..], "--config <FILE>"),
        (&["rum"], "unrecognized subcommand 'rum'"),
        (&["run", "--conifg", "x"], "unexpected argument '--conifg'"),
        (&["init", "--domain", "alice@example.org", "--dir", "x"], "a domain is needed, such as example.org"),
    ] {
        let line = one_line(&testkit::whimbreld(arguments, "").await?)?;
        ensure!(line.contains(expected) && line.ends_with("(try --help)"), "{line}");
    }
    let help = testkit::whimbreld(&["--help"], "").await?.success()?;
    ensure!(help.stdout.contains("Usage: whimbreld"), "{}", help.stdout);
    let version = testkit::whimbreld(&["--version"], "").await?.success()?;
    ensure!(version.stdout.starts_with("whimbreld "), "{}", version.stdout);
    Ok(())
}
