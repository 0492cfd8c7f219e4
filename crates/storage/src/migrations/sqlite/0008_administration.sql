-- Tokens of the API. Only hashes of name and token; both, and the scopes, sealed
-- with the deployment's key.
CREATE TABLE api_tokens (
    name_hash BLOB NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    used_at_ms INTEGER,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- XEP-0401. The owner is the account that the invited person is connected with, 0
-- for none; the hash of a localpart is that of accounts.
CREATE TABLE invites (
    id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    owner INTEGER NOT NULL,
    localpart_hash BLOB,
    registers INTEGER NOT NULL,
    uses_max INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE INDEX invites_by_owner ON invites (owner);
CREATE INDEX invites_by_localpart ON invites (localpart_hash);
CREATE INDEX invites_by_expiry ON invites (expires_at_ms);

-- What administrators changed. The id has the time in it, as a message's has.
CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY,
    action TEXT NOT NULL,
    via TEXT NOT NULL,
    outcome TEXT,
    sealed BLOB NOT NULL
) STRICT;
