-- What SQLite has since its migration 8; what the columns hold is said there. Each
-- statement can be run twice.
CREATE TABLE IF NOT EXISTS api_tokens (
    name_hash BINARY(16) NOT NULL PRIMARY KEY,
    token_hash BINARY(16) NOT NULL UNIQUE,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    used_at_ms BIGINT,
    sealed MEDIUMBLOB NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS invites (
    id BIGINT NOT NULL PRIMARY KEY,
    token_hash BINARY(16) NOT NULL UNIQUE,
    owner BIGINT NOT NULL,
    localpart_hash BINARY(16),
    registers TINYINT NOT NULL,
    uses_max BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    KEY invites_by_owner (owner),
    KEY invites_by_localpart (localpart_hash),
    KEY invites_by_expiry (expires_at_ms)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS audit_log (
    id BIGINT NOT NULL PRIMARY KEY,
    action VARCHAR(64) NOT NULL,
    via VARCHAR(64) NOT NULL,
    outcome VARCHAR(64),
    sealed MEDIUMBLOB NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
