//! The files of a person's ZIP: each as it was uploaded, and a list of them.

use std::io::{Seek, Write};

use blob::Store;
use serde_json::{Value, json};
use storage::{AccountId, Db, uploads};
use zip::CompressionMethod;

use super::zip::{Archive, ZipError};
use crate::clock;
use crate::media::{self, Outflow};

/// Uploads listed at a time.
const PAGE: u32 = 100;

impl<W: Write + Seek> Archive<W> {
    /// `media/NUMBER-NAME` and `media.json`.
    pub(super) async fn media(&mut self, db: &Db, store: &Store, owner: AccountId) -> Result<(), ZipError> {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = uploads::list(db, owner, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for upload in page.iter().filter(|upload| upload.whole) {
                let described = &upload.described;
                let name = format!("media/{:05}-{}", listed.len() + 1, described.file_name);
                let is_there = self.medium(db, store, &described.token, &name).await?;
                listed.push(json!({
                    "file": is_there.then_some(&name),
                    "name": described.file_name,
                    "type": described.content_type,
                    "bytes": described.bytes,
                    "uploaded": clock::xmpp_time(upload.at_ms),
                    "part_of_its_address": described.token,
                }));
            }
        }
        self.json("media.json", &Value::Array(listed))
    }

    /// False if the file is gone, in the database or in the store.
    async fn medium(&mut self, db: &Db, store: &Store, token: &str, name: &str) -> Result<bool, ZipError> {
        let Some(upload) = uploads::find(db, token).await? else { return Ok(false) };
        let mut outflow = match Outflow::open(store, &upload.medium, 0..upload.described.bytes, 1).await {
            Err(media::Error::Missing) => return Ok(false),
            outflow => outflow?,
        };
        // Pictures and films are packed already.
        self.file(name, CompressionMethod::Stored)?;
        while let Some(bytes) = outflow.next().await? {
            self.zip.write_all(&bytes)?;
        }
        Ok(true)
    }
}
