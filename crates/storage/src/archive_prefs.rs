//! Which messages an account wants archived (XEP-0441).

use crate::{AccountId, Db, Error, Row, Statement, text_list};

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
    let sql = "SELECT fallback, always_jids, never_jids FROM archive_prefs WHERE owner = ?";
    db.query_one(Statement::new(sql, [owner.into()])).await?.map(read).transpose()
}

/// Replaces the account's preferences.
pub async fn store(db: &Db, owner: AccountId, prefs: &ArchivePrefs) -> Result<(), Error> {
    let sql = "\
INSERT INTO archive_prefs (owner, fallback, always_jids, never_jids) VALUES (?, ?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET
    fallback = excluded.fallback, always_jids = excluded.always_jids, never_jids = excluded.never_jids";
    let fallback: i64 = match prefs.fallback {
        Fallback::Always => 0,
        Fallback::Never => 1,
        Fallback::Roster => 2,
    };
    let (always, never) = (text_list::encode(&prefs.always), text_list::encode(&prefs.never));
    db.execute(Statement::new(sql, [owner.into(), fallback.into(), always.into(), never.into()])).await?;
    Ok(())
}

fn read(mut row: Row) -> Result<ArchivePrefs, Error> {
    Ok(ArchivePrefs {
        fallback: match row.int()? {
            0 => Fallback::Always,
            1 => Fallback::Never,
            2 => Fallback::Roster,
            _ => return Err(Error::Corrupt("unknown archiving preference".into())),
        },
        always: text_list::decode(&row.text()?)?,
        never: text_list::decode(&row.text()?)?,
    })
}
