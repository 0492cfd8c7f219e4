//! The same on database servers: everything in their folders is looked at, tables, log, and what they say.

use std::{fs, path::Path};

use services::{DatabaseServer, Kind};
use storage::{Db, MasterKeys, Options};

use crate::{
    keys,
    known::{SECRETS, fill},
};

fn everything_in(folder: &Path, found: &mut Vec<&'static str>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            everything_in(&path, found);
        }
        // Files of a server that runs come and go.
        let Ok(bytes) = fs::read(&path) else { continue };
        found.extend(SECRETS.iter().filter(|secret| stands_in(&bytes, secret.as_bytes())));
    }
}

fn stands_in(bytes: &[u8], secret: &[u8]) -> bool {
    memchr::memmem::find(bytes, secret).is_some()
}

/// What stands in the files of a server of its own, after a kill: what is stored is on the disk.
async fn leaked(kind: Kind, keys: MasterKeys) -> Vec<&'static str> {
    let server = DatabaseServer::start(kind).unwrap();
    let url = server.database().unwrap().url();
    let db = Db::open(&url, Path::new("/"), &Options::new(keys)).await.unwrap();
    fill(&db).await;
    db.close().await;
    server.kill().unwrap();
    let mut found = Vec::new();
    everything_in(server.folder(), &mut found);
    SECRETS.iter().copied().filter(|secret| found.contains(secret)).collect()
}

#[tokio::test]
async fn no_name_contact_or_message_stands_in_the_files_of_postgresql() {
    assert_eq!(leaked(Kind::Postgres, keys(1)).await, Vec::<&str>::new());
    assert_eq!(leaked(Kind::Postgres, MasterKeys::unsealed().unwrap()).await, SECRETS);
}

#[tokio::test]
async fn no_name_contact_or_message_stands_in_the_files_of_mariadb() {
    assert_eq!(leaked(Kind::Mariadb, keys(1)).await, Vec::<&str>::new());
    assert_eq!(leaked(Kind::Mariadb, MasterKeys::unsealed().unwrap()).await, SECRETS);
}
