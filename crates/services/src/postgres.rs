//! PostgreSQL: a cluster in a folder. It does not run as root; then it runs as the user of Debian's package.

use std::{ffi::OsString, path::Path};

use anyhow::{Context, Result};

use crate::{
    Place,
    database::{PASSWORD, USER},
    keeper::Keeper,
    program::{find, is_root, run},
};

const PACKAGE: &str = "postgresql";
const OWNER: &str = "postgres";
/// Its own default.
const WAL_MIB_MIN: u32 = 1024;

pub(crate) fn prepare(folder: &Path) -> Result<()> {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD)?;
    if is_root() {
        let owner = format!("{OWNER}:");
        let args = [OsString::from("-R"), owner.into(), folder.into()];
        run(Path::new("/bin/chown"), &args, &[])
            .with_context(|| format!("there is no user {OWNER}: install it with `apt-get install {PACKAGE}`"))?;
    }
    let command = as_owner([
        find("initdb", PACKAGE)?.into(),
        "--auth=scram-sha-256".into(),
        "--encoding=UTF8".into(),
        "--locale=C.UTF-8".into(),
        // Every commit is synced all the same.
        "--no-sync".into(),
        format!("--username={USER}").into(),
        option("--pwfile=", &password),
        option("--pgdata=", &folder.join("cluster")),
    ]);
    let (program, args) = command.split_first().context("no command")?;
    run(Path::new(program), args, &[])?;
    Ok(())
}

pub(crate) fn start(place: &Place, port: u16) -> Result<Keeper> {
    let folder = &place.folder;
    let setting = |text: String| [OsString::from("-c"), text.into()];
    let mut command = vec![find("postgres", PACKAGE)?.into(), "-D".into(), folder.join("cluster").into()];
    for text in [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", folder.display()),
        "max_connections=1000".to_owned(),
        format!("shared_buffers={}MB", place.cache_mib),
        format!("max_wal_size={}MB", place.cache_mib.max(WAL_MIB_MIN)),
        // After a crash one call, instead of one for each of some thousand files.
        "recovery_init_sync_method=syncfs".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", folder.join("cert.pem").display()),
        format!("ssl_key_file={}", folder.join("key.pem").display()),
    ] {
        command.extend(setting(text));
    }
    // SIGQUIT is PostgreSQL's own way to end at once, and to take its children along; SIGINT ends it in good order.
    Keeper::start(&place.folder, place.kept, if place.kept { "INT" } else { "QUIT" }, &as_owner(command))
}

pub(crate) fn answers(port: u16) -> Result<()> {
    client(port, "postgres", "SELECT 1").map(drop)
}

pub(crate) fn create_database(port: u16, name: &str) -> Result<()> {
    let there = client(port, "postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"))?;
    if !there.trim().is_empty() {
        return Ok(());
    }
    let port = port.to_string();
    let args = ["--host=127.0.0.1", "--port", &port, "--username", USER, "--encoding=UTF8", name];
    run(&find("createdb", PACKAGE)?, &args, &[("PGPASSWORD", PASSWORD)]).map(drop)
}

pub(crate) fn remove_database(port: u16, name: &str) -> Result<()> {
    let port = port.to_string();
    let args = ["--host=127.0.0.1", "--port", &port, "--username", USER, "--force", "--if-exists", name];
    run(&find("dropdb", PACKAGE)?, &args, &[("PGPASSWORD", PASSWORD)]).map(drop)
}

pub(crate) fn drop_connections(port: u16, name: &str) -> Result<()> {
    let statement = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    client(port, "postgres", &statement).map(drop)
}

pub(crate) fn client(port: u16, database: &str, statement: &str) -> Result<String> {
    let port = port.to_string();
    let args = [
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "--field-separator=\t",
        "--host=127.0.0.1",
        "--set=ON_ERROR_STOP=1",
        "--port",
        &port,
        "--username",
        USER,
        "--dbname",
        database,
        "--command",
        statement,
    ];
    let output = run(&find("psql", PACKAGE)?, &args, &[("PGPASSWORD", PASSWORD), ("PGCONNECT_TIMEOUT", "5")])?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn as_owner(command: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut whole: Vec<OsString> = Vec::new();
    if is_root() {
        whole.extend(["/usr/bin/setpriv", "--reuid", OWNER, "--regid", OWNER, "--clear-groups"].map(OsString::from));
    }
    whole.extend(command);
    whole
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}
