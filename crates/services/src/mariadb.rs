//! MariaDB: a data folder of its own, reached by root over a socket in it.

use std::{ffi::OsString, path::Path};

use anyhow::Result;

use crate::{
    Place,
    database::{PASSWORD, USER},
    keeper::Keeper,
    program::{find, is_root, run},
};

const PACKAGE: &str = "mariadb-server";
/// Its own default.
const LOG_MIB_MIN: u32 = 96;

pub(crate) fn prepare(folder: &Path) -> Result<()> {
    let mut args = vec![
        OsString::from("--no-defaults"),
        "--auth-root-authentication-method=normal".into(),
        "--skip-test-db".into(),
        option("--datadir=", &folder.join("data")),
        option("--tmpdir=", folder),
    ];
    args.extend(as_root());
    run(&find("mariadb-install-db", PACKAGE)?, &args, &[]).map(drop)
}

pub(crate) fn start(place: &Place, port: u16) -> Result<Keeper> {
    let folder = &place.folder;
    let mut command = vec![
        OsString::from(find("mariadbd", PACKAGE)?),
        "--no-defaults".into(),
        "--skip-networking=0".into(),
        "--bind-address=127.0.0.1".into(),
        format!("--port={port}").into(),
        "--max-connections=1000".into(),
        format!("--innodb-buffer-pool-size={}M", place.cache_mib).into(),
        format!("--innodb-log-file-size={}M", place.cache_mib.max(LOG_MIB_MIN)).into(),
        "--character-set-server=utf8mb4".into(),
        "--skip-name-resolve".into(),
        option("--datadir=", &folder.join("data")),
        option("--tmpdir=", folder),
        option("--socket=", &folder.join("socket")),
        option("--pid-file=", &folder.join("pid")),
        option("--ssl-cert=", &folder.join("cert.pem")),
        option("--ssl-key=", &folder.join("key.pem")),
    ];
    command.extend(as_root());
    // What is kept shall be whole without recovery.
    Keeper::start(&place.folder, place.kept, if place.kept { "TERM" } else { "KILL" }, &command)
}

pub(crate) fn answers(folder: &Path) -> Result<()> {
    as_server_root(folder, "SELECT 1")
}

pub(crate) fn create_user(folder: &Path) -> Result<()> {
    let user = format!("'{USER}'@'%'");
    as_server_root(folder, &format!("CREATE USER {user} IDENTIFIED BY '{PASSWORD}'"))?;
    as_server_root(folder, &format!("GRANT ALL ON *.* TO {user}"))
}

pub(crate) fn create_database(port: u16, name: &str) -> Result<()> {
    client(port, "mysql", &format!("CREATE DATABASE IF NOT EXISTS {name}")).map(drop)
}

pub(crate) fn remove_database(port: u16, name: &str) -> Result<()> {
    client(port, "mysql", &format!("DROP DATABASE IF EXISTS {name}")).map(drop)
}

pub(crate) fn drop_connections(port: u16, name: &str) -> Result<()> {
    let list = format!("SELECT id FROM information_schema.processlist WHERE db = '{name}' AND id <> CONNECTION_ID()");
    for id in client(port, "mysql", &list)?.split_whitespace() {
        // It may have gone by itself.
        drop(client(port, "mysql", &format!("KILL {id}")));
    }
    Ok(())
}

pub(crate) fn client(port: u16, database: &str, statement: &str) -> Result<String> {
    let port = port.to_string();
    let args = [
        "--no-defaults",
        "--host=127.0.0.1",
        "--port",
        &port,
        "--user",
        USER,
        "--batch",
        "--skip-column-names",
        "--connect-timeout=5",
        "--database",
        database,
        "--execute",
        statement,
    ];
    let output = run(&find("mariadb", PACKAGE)?, &args, &[("MYSQL_PWD", PASSWORD)])?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn as_server_root(folder: &Path, statement: &str) -> Result<()> {
    let args = [
        OsString::from("--no-defaults"),
        option("--socket=", &folder.join("socket")),
        "--user=root".into(),
        "--execute".into(),
        statement.into(),
    ];
    run(&find("mariadb", PACKAGE)?, &args, &[]).map(drop)
}

/// It runs as root only when told to.
fn as_root() -> Option<OsString> {
    is_root().then(|| "--user=root".into())
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}
