-- What the columns hold is said in SQLite's migration of that name.
CREATE TABLE uploads (
    name_hash BYTEA PRIMARY KEY,
    owner BIGINT NOT NULL,
    object BYTEA NOT NULL,
    whole SMALLINT NOT NULL,
    bytes BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);
CREATE INDEX uploads_by_owner ON uploads (owner, whole, name_hash, expires_at_ms, bytes);
CREATE INDEX uploads_by_object ON uploads (object);
CREATE INDEX uploads_by_age ON uploads (whole, at_ms);
CREATE INDEX uploads_by_expiry ON uploads (whole, expires_at_ms);

CREATE TABLE media (
    object BYTEA PRIMARY KEY,
    owner BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    parts BYTEA NOT NULL,
    content_hash BYTEA,
    removing SMALLINT NOT NULL,
    sealed BYTEA NOT NULL
);
CREATE UNIQUE INDEX media_by_content ON media (owner, content_hash);
CREATE INDEX media_to_remove ON media (removing, object);
