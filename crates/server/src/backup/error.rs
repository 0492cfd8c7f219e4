//! Why a backup was not made or not restored, each in one line that says what to do.

/// An error of backup or restore.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place of backups.
    #[error("{0}")]
    Store(#[from] blob::Error),
    /// The database.
    #[error("{0}")]
    Storage(#[from] storage::Error),
    /// Nothing there.
    #[error("there is no backup in {0}: look at the address, or make one with `whimbreld backup create`")]
    NoBackup(String),
    /// Not this one.
    #[error("there is no backup {id} in {place}: `whimbreld backup list` names those there are")]
    NotThere {
        /// Which one.
        id: String,
        /// Where.
        place: String,
    },
    /// It was begun and not ended.
    #[error("backup {0} was never finished: restore an earlier one")]
    Unfinished(String),
    /// The keys at hand do not open it.
    #[error(
        "backup {0} was made with another master key: put the key of the server that made it where [keys] of the \
         configuration says"
    )]
    MasterKey(String),
    /// The keys of a place are under another master key than those at hand.
    #[error(
        "the accounts' keys in {0} were written under another master key: give the newest one too, a line each, where \
         [keys] of the configuration says"
    )]
    KeysLocked(String),
    /// Somebody removed them.
    #[error("the accounts' keys are missing in {0} (the folder keys): nothing opens its backups without them")]
    NoKeys(String),
    /// A backup would take the keys from those of somebody else.
    #[error("{0} has the backups of another deployment, which one of this would make useless: name another place")]
    OtherDeployment(String),
    /// A backup would take the keys from newer ones.
    #[error(
        "{0} knows accounts that are newer than this database, which was restored from an earlier backup: a backup \
         there would make theirs useless, name another place"
    )]
    NewerKeys(String),
    /// A passphrase is needed.
    #[error("backup {0} is locked with a passphrase: give it with --passphrase-stdin")]
    PassphraseNeeded(String),
    /// It is another one.
    #[error("the passphrase does not open backup {0}")]
    Passphrase(String),
    /// Bytes were changed, lost or swapped.
    #[error("backup {id} is damaged, nothing was restored: {what}")]
    Damaged {
        /// Which one.
        id: String,
        /// Where, and how it shows.
        what: String,
    },
    /// Made by a program that is too old or too new.
    #[error(
        "backup {id} has schema version {found}, this program has {known}: restore it with whimbreld {made_by}, then \
         update"
    )]
    Schema {
        /// Which one.
        id: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
        /// The program that made it.
        made_by: String,
    },
    /// Made for somebody else.
    #[error("backup {id} is of {domain}, the configuration is for another domain: correct server.domain")]
    Domain {
        /// Which one.
        id: String,
        /// Its domain.
        domain: String,
    },
    /// The database has something in it.
    #[error("the database is not empty (table {0} has rows): restore into a new one, or replace it with --force")]
    NotEmpty(&'static str),
    /// What was written is not what was read.
    #[error(
        "table {0} differs from the backup after it was restored: the database was emptied again, try another disk"
    )]
    Differs(&'static str),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// A name that no store takes.
    #[error("{0}")]
    Name(#[from] blob::ParseNameError),
}
