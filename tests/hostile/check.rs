//! `whimbreld check`: every problem is found before the server is started, each with its remedy.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use services::Kind;
use testkit::{Finished, Folder, TestServer};

use crate::startup::one_line;

fn problems(done: &Finished) -> Vec<&str> {
    done.stdout.lines().filter_map(|line| line.strip_prefix("problem ")).collect()
}

/// Runs `check`, which must find exactly one problem; that problem.
async fn only_problem(folder: &Folder) -> Result<String> {
    let done = folder.whimbreld(&["check"], &[], "").await?;
    ensure!(one_line(&done)? == "1 problem found", "{}{}", done.stdout, done.stderr);
    let [problem] = problems(&done)[..] else { anyhow::bail!("not one problem: {}", done.stdout) };
    Ok(problem.to_owned())
}

#[tokio::test]
async fn a_fresh_folder_has_no_problem() -> Result<()> {
    let folder = Folder::init().await?;
    let done = folder.whimbreld(&["check"], &[], "").await?.success()?;
    ensure!(done.stderr.is_empty(), "{}", done.stderr);
    ensure!(done.stdout.lines().all(|line| line.starts_with("ok ")), "{}", done.stdout);
    Ok(())
}

#[tokio::test]
async fn a_running_server_is_no_problem() -> Result<()> {
    let server = TestServer::builder().unset("c2s.allow_plaintext").start().await?;
    let addresses = [
        ("WHIMBREL_C2S__LISTEN", "c2s"),
        ("WHIMBREL_C2S__DIRECT_TLS_LISTEN", "c2s_tls"),
        ("WHIMBREL_COMPONENTS__LISTEN", "components"),
    ];
    let mut environment: Vec<(String, String)> = server.environment().to_vec();
    for (variable, listener) in addresses {
        environment.retain(|(name, _)| name != variable);
        environment.push((variable.to_owned(), format!("[\"{}\"]", server.address(listener)?)));
    }
    let config = server.config();
    let done = testkit::whimbreld_with(&["check", "--config", &config.to_string_lossy()], &environment, "").await?;
    let done = done.success()?;
    ensure!(done.stdout.matches("is held by the running whimbreld").count() == 3, "{}", done.stdout);
    Ok(())
}

#[tokio::test]
async fn each_file_that_is_missing_or_wrong_is_a_problem_with_a_remedy() -> Result<()> {
    for (file, content, expected) in [
        ("master.key", None, "restore it from your backup"),
        ("master.key", Some("0123"), "must hold 64 hexadecimal digits"),
        ("tls/cert.pem", None, "cert.pem"),
        ("tls/key.pem", Some("-----BEGIN NONSENSE-----"), "key.pem"),
        ("data/whimbrel.db", Some("this is not what a database looks like"), "whimbrel.db"),
    ] {
        let folder = Folder::init().await?;
        let path = folder.path().join(file);
        match content {
            Some(content) => std::fs::write(&path, content.repeat(100))?,
            None => std::fs::remove_file(&path)?,
        }
        let problem = only_problem(&folder).await.with_context(|| format!("for {file}"))?;
        ensure!(problem.contains(expected), "{problem:?} for {file}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_a_database_server_is_one_line_without_the_password() -> Result<()> {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let database = kind.shared()?.database()?;
        let url = database.url();
        let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let scheme = url.split(':').next().context("no scheme")?;
        let wrong = database.url_as("whimbrel", "wrong-password", "127.0.0.1");
        for (url, expected) in [
            (format!("{scheme}://whimbrel:open-sesame@{closed}/chat"), "nobody listens there"),
            (wrong, "\"whimbrel\" was refused"),
            (format!("{url}_of_nobody"), "there is no database"),
            (format!("{url}?sslmode=verify-full"), "UnknownIssuer"),
            (format!("{url}?sslmode=perhaps"), "sslmode is disable, require or verify-full"),
        ] {
            let folder = Folder::init().await?;
            folder.edit("url = \"sqlite:whimbrel.db\"", &format!("url = \"{url}\""))?;
            let problem = only_problem(&folder).await?;
            ensure!(problem.contains(expected), "{problem:?} for {url}");
            ensure!(!problem.contains("open-sesame") && !problem.contains("wrong-password"), "{problem}");
        }
        let folder = Folder::init().await?;
        folder.edit("url = \"sqlite:whimbrel.db\"", &format!("url = \"{url}\""))?;
        let done = folder.whimbreld(&["check"], &[], "").await?.success()?;
        ensure!(done.stdout.contains("is made at the first start"), "{}", done.stdout);
        let dry = folder.whimbreld(&["migrate", "--dry-run"], &[], "").await?.success()?;
        ensure!(dry.stdout.starts_with("-- 1 whimbrel\n") && dry.stdout.contains("archive"), "{}", dry.stdout);
        folder.whimbreld(&["migrate"], &[], "").await?.success()?;
        let again = folder.whimbreld(&["migrate", "--dry-run"], &[], "").await?.success()?;
        ensure!(again.stdout == "nothing to do: the schema is the newest\n", "{}", again.stdout);
        let done = folder.whimbreld(&["check"], &[], "").await?.success()?;
        ensure!(done.stdout.contains(&format!("/{}, 0 accounts", database.name())), "{}", done.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn secrets_that_others_can_read_are_a_problem() -> Result<()> {
    for file in ["master.key", "tls/key.pem"] {
        let folder = Folder::init().await?;
        let path = folder.path().join(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
        let problem = only_problem(&folder).await?;
        ensure!(problem.contains(&format!("chmod 600 {}", path.display())), "{problem}");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_for_another_domain_is_a_problem() -> Result<()> {
    let folder = Folder::init().await?;
    folder.edit("domain = \"localhost\"", "domain = \"example.org\"")?;
    let problem = only_problem(&folder).await?;
    ensure!(problem == "the certificate names localhost, not example.org: get one for example.org", "{problem}");
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_taken_or_not_ours_is_a_problem() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    for (address, expected) in
        [(address.as_str(), "is taken by another program"), ("192.0.2.1:0", "is no address of this machine")]
    {
        let folder = Folder::init().await?;
        folder.edit("\nlisten = [\"127.0.0.1:0\"]", &format!("\nlisten = [\"{address}\"]"))?;
        let problem = only_problem(&folder).await?;
        ensure!(problem.starts_with(&format!("c2s.listen {address} {expected}")), "{problem}");
    }
    Ok(())
}

#[tokio::test]
async fn all_problems_are_found_in_one_go() -> Result<()> {
    let folder = Folder::init().await?;
    folder.edit("domain = \"localhost\"", "domain = \"example.org\"")?;
    std::fs::remove_file(folder.path().join("master.key"))?;
    let done = folder.whimbreld(&["check"], &[], "").await?;
    ensure!(one_line(&done)? == "2 problems found", "{}", done.stderr);
    ensure!(problems(&done).len() == 2, "{}", done.stdout);
    // What the file itself says wrong is a problem like the others.
    folder.edit("allow_plaintext", "allow_plaintex")?;
    ensure!(only_problem(&folder).await?.contains("did you mean `c2s.allow_plaintext`?"), "nearest key");
    Ok(())
}
