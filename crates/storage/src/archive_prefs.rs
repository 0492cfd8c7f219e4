//! Which messages an account wants archived (XEP-0441).

use crate::{
    AccountId, Db, Error, Statement,
    seal::{Fields, Opened, Place, Table},
    text_list,
};

/// What is archived of conversations that no list names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fallback {
    /// All.
    #[default]
    Always,
    /// None.
    Never,
    /// Those with contacts in the roster.
    Roster,
}

impl Fallback {
    fn to_int(self) -> i64 {
        match self {
            Self::Always => 0,
            Self::Never => 1,
            Self::Roster => 2,
        }
    }

    pub(crate) fn from_int(number: i64) -> Result<Self, Error> {
        match number {
            0 => Ok(Self::Always),
            1 => Ok(Self::Never),
            2 => Ok(Self::Roster),
            _ => Err(Error::Corrupt("unknown archiving preference".into())),
        }
    }
}

/// An account's archiving preferences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchivePrefs {
    /// For JIDs in neither list; the protocol calls it the default.
    pub fallback: Fallback,
    /// JIDs whose conversations are always archived; normalised, bare or full.
    pub always: Vec<String>,
    /// JIDs whose conversations are never archived; normalised, bare or full.
    pub never: Vec<String>,
}

/// The account's preferences, or `None` if it never set any.
pub async fn load(db: &Db, owner: AccountId) -> Result<Option<ArchivePrefs>, Error> {
    let sql = "SELECT sealed FROM archive_prefs WHERE owner = ?";
    let Some(key) = db.key(owner).await? else { return Ok(None) };
    let Some(mut row) = db.query_one(Statement::new(sql, [owner.into()])).await? else { return Ok(None) };
    read(key.open(place(owner), row.blob()?)?).map(Some)
}

/// Replaces the account's preferences.
pub async fn store(db: &Db, owner: AccountId, prefs: &ArchivePrefs) -> Result<(), Error> {
    let sql = "\
INSERT INTO archive_prefs (owner, sealed) VALUES (?, ?)
ON CONFLICT (owner) DO UPDATE SET sealed = excluded.sealed";
    let sealed = db.expect_key(owner).await?.seal(place(owner), fields(prefs))?;
    db.execute(Statement::new(sql, [owner.into(), sealed])).await?;
    Ok(())
}

pub(crate) fn place(owner: AccountId) -> Place {
    Place::only(Table::ArchivePrefs, owner)
}

pub(crate) fn fields(prefs: &ArchivePrefs) -> Fields {
    let fallback = prefs.fallback.to_int().to_be_bytes();
    let (always, never) = (text_list::encode(&prefs.always), text_list::encode(&prefs.never));
    Fields::new(always.len().saturating_add(never.len())).bytes(&fallback).text(&always).text(&never)
}

fn read(mut opened: Opened) -> Result<ArchivePrefs, Error> {
    Ok(ArchivePrefs {
        fallback: Fallback::from_int(opened.bytes()?.as_ref().try_into().map_or(-1, i64::from_be_bytes))?,
        always: text_list::decode(&opened.text()?)?,
        never: text_list::decode(&opened.text()?)?,
    })
}
