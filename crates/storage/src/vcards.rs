//! Visiting cards (XEP-0054), and the hash of their photo (XEP-0153).

use crate::{
    AccountId, Db, Error, Statement,
    seal::{Fields, Place, Table},
};

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
    let sql = "SELECT sealed FROM vcards WHERE owner = ?";
    let Some(key) = db.key(owner).await? else { return Ok(None) };
    let Some(mut row) = db.query_one(Statement::new(sql, [owner.into()])).await? else { return Ok(None) };
    let mut opened = key.open(place(owner), row.blob()?)?;
    Ok(Some(Vcard { photo_sha1: opened.opt_text()?, xml: opened.text()? }))
}

/// Replaces the account's card.
pub async fn store(db: &Db, owner: AccountId, vcard: Vcard) -> Result<(), Error> {
    let sql = "\
INSERT INTO vcards (owner, sealed) VALUES (?, ?)
ON CONFLICT (owner) DO UPDATE SET sealed = excluded.sealed";
    let sealed = db.expect_key(owner).await?.seal(place(owner), fields(&vcard))?;
    db.execute(Statement::new(sql, [owner.into(), sealed])).await?;
    Ok(())
}

pub(crate) fn place(owner: AccountId) -> Place {
    Place::only(Table::Vcards, owner)
}

pub(crate) fn fields(vcard: &Vcard) -> Fields {
    Fields::new(vcard.xml.len()).opt_text(vcard.photo_sha1.as_deref()).text(&vcard.xml)
}
