-- What is private is sealed, what is looked up by it is hashed (see `seal`). A
-- column `sealed` is 12 bytes of nonce, the ciphertext and 16 bytes of tag; one
-- that ends in `_hash` has 16 bytes. The old tables step aside: `seal::migrate`
-- moves their rows, and drops them.
DROP INDEX archive_by_id;
DROP INDEX archive_by_peer;
DROP INDEX transient_by_id;
ALTER TABLE accounts RENAME TO plain_accounts;
ALTER TABLE roster RENAME TO plain_roster;
ALTER TABLE roster_removals RENAME TO plain_roster_removals;
ALTER TABLE archive RENAME TO plain_archive;
ALTER TABLE transient RENAME TO plain_transient;
ALTER TABLE archive_prefs RENAME TO plain_archive_prefs;
ALTER TABLE blocklist RENAME TO plain_blocklist;
ALTER TABLE private_xml RENAME TO plain_private_xml;
ALTER TABLE vcards RENAME TO plain_vcards;
ALTER TABLE devices RENAME TO plain_devices;

-- The key for what no account owns, in one row with id 1. A wrapped key has 68
-- bytes; the first 8 say which master key opens it. master is the one that wraps
-- new keys: who has another one creates no account.
CREATE TABLE deployment_keys (
    id INTEGER PRIMARY KEY,
    master BLOB NOT NULL,
    wrapped BLOB NOT NULL
) STRICT;

-- localpart_hash, localpart, wrapped_key and credentials are null while the
-- account is being deleted: nobody can log in, its name is free, and what it
-- owns cannot be opened any more. Ids are never used again. one_hash is 1 where
-- the credentials hold keys for one hash only, else null.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    localpart_hash BLOB UNIQUE,
    localpart BLOB,
    wrapped_key BLOB,
    credentials BLOB,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at_ms INTEGER NOT NULL,
    last_seen_ms INTEGER,
    last_status BLOB,
    roster_version INTEGER NOT NULL,
    one_hash INTEGER
) STRICT;
CREATE INDEX accounts_by_one_hash ON accounts (one_hash);

-- RFC 6121 §2. Rows with in_roster = 0 hold only a pending inbound subscription
-- request. Sealed: JID, name, request, groups.
CREATE TABLE roster (
    owner INTEGER NOT NULL,
    jid_hash BLOB NOT NULL,
    subscription INTEGER NOT NULL,
    ask INTEGER NOT NULL,
    approved INTEGER NOT NULL,
    in_roster INTEGER NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, jid_hash)
) STRICT;

-- Items that left a roster, for RFC 6121 §2.6. Sealed: JID.
CREATE TABLE roster_removals (
    owner INTEGER NOT NULL,
    jid_hash BLOB NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, jid_hash)
) STRICT, WITHOUT ROWID;

-- The mailbox: one row for each owner of a message. The id holds the time.
-- peer_hash is of the bare JID, full_hash of the full one, if there is a
-- resource. Sealed: peer, resource, stanza.
CREATE TABLE archive (
    owner INTEGER NOT NULL,
    id INTEGER NOT NULL,
    peer_hash BLOB NOT NULL,
    full_hash BLOB,
    direction INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX archive_by_id ON archive (owner, id);
CREATE INDEX archive_by_peer ON archive (owner, peer_hash, id);

-- Messages that are kept only until they are delivered; nobody searches them.
CREATE TABLE transient (
    owner INTEGER NOT NULL,
    id INTEGER NOT NULL,
    direction INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX transient_by_id ON transient (owner, id);

-- How far the ids of messages have come, in one row with one = 1; written about
-- once a second (`archive::newest`).
CREATE TABLE archive_mark (
    one INTEGER PRIMARY KEY,
    id INTEGER NOT NULL
) STRICT;

-- XEP-0441. Sealed: fallback and both lists.
CREATE TABLE archive_prefs (
    owner INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;

-- XEP-0191. Sealed: JID.
CREATE TABLE blocklist (
    owner INTEGER NOT NULL,
    jid_hash BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, jid_hash)
) STRICT, WITHOUT ROWID;

-- XEP-0049. key_hash is of namespace and name, bytes the length of the XML.
-- Sealed: namespace, name, XML.
CREATE TABLE private_xml (
    owner INTEGER NOT NULL,
    key_hash BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, key_hash)
) STRICT;

-- XEP-0054, XEP-0153. Sealed: XML, hash of the photo.
CREATE TABLE vcards (
    owner INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;

-- XEP-0388. Sealed: software, name.
CREATE TABLE devices (
    owner INTEGER NOT NULL,
    id INTEGER NOT NULL,
    by_password INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT;

-- Fixed statistics, as in 0003: the old ones went with their tables.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('archive', 'archive_by_id', '10000000 10000 1'),
    ('archive', 'archive_by_peer', '10000000 10000 200 1'),
    ('transient', 'transient_by_id', '10000 20 1');
INSERT INTO archive_mark (one, id) VALUES (1, 0);
ANALYZE sqlite_schema;
