-- What SQLite has since its migration 8; what the columns hold is said there.
CREATE TABLE api_tokens (
    name_hash BYTEA PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    used_at_ms BIGINT,
    sealed BYTEA NOT NULL
);

CREATE TABLE invites (
    id BIGINT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    owner BIGINT NOT NULL,
    localpart_hash BYTEA,
    registers SMALLINT NOT NULL,
    uses_max BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);
CREATE INDEX invites_by_owner ON invites (owner);
CREATE INDEX invites_by_localpart ON invites (localpart_hash);
CREATE INDEX invites_by_expiry ON invites (expires_at_ms);

CREATE TABLE audit_log (
    id BIGINT PRIMARY KEY,
    action TEXT COLLATE "C" NOT NULL,
    via TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C",
    sealed BYTEA NOT NULL
);
