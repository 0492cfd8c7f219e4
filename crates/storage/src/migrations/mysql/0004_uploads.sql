-- What the columns hold is said in SQLite's migration of that name. Each statement
-- can be run twice.
CREATE TABLE IF NOT EXISTS uploads (
    name_hash BINARY(16) NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    object BINARY(16) NOT NULL,
    whole TINYINT NOT NULL,
    bytes BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    KEY uploads_by_owner (owner, whole, name_hash, expires_at_ms, bytes),
    KEY uploads_by_object (object),
    KEY uploads_by_age (whole, at_ms),
    KEY uploads_by_expiry (whole, expires_at_ms)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS media (
    object BINARY(16) NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    parts MEDIUMBLOB NOT NULL,
    content_hash BINARY(16),
    removing TINYINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    UNIQUE KEY media_by_content (owner, content_hash),
    KEY media_to_remove (removing, object)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
