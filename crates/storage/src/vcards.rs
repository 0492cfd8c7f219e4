//! Visiting cards (XEP-0054), and the hash of their photo (XEP-0153).

use crate::{AccountId, Db, Error, Row, Statement};

/// An account's visiting card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vcard {
    /// The serialised `<vCard/>`.
    pub xml: String,
    /// SHA-1 of the decoded photo, in lower-case hex; `None` without one.
    pub photo_sha1: Option<String>,
}

/// The account's card.
pub async fn load(db: &Db, owner: AccountId) -> Result<Option<Vcard>, Error> {
    let sql = "SELECT xml, photo_sha1 FROM vcards WHERE owner = ?";
    db.query_one(Statement::new(sql, [owner.into()])).await?.map(read).transpose()
}

/// Replaces the account's card.
pub async fn store(db: &Db, owner: AccountId, vcard: Vcard) -> Result<(), Error> {
    let sql = "\
INSERT INTO vcards (owner, xml, photo_sha1) VALUES (?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET xml = excluded.xml, photo_sha1 = excluded.photo_sha1";
    db.execute(Statement::new(sql, [owner.into(), vcard.xml.into(), vcard.photo_sha1.into()])).await?;
    Ok(())
}

fn read(mut row: Row) -> Result<Vcard, Error> {
    Ok(Vcard { xml: row.text()?, photo_sha1: row.opt_text()? })
}
