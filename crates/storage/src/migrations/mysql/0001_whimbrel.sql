-- The schema that SQLite has since its migration 6; what the columns hold is said
-- there. Each statement ends a line with its semicolon, and can be run twice: MySQL
-- commits after each. What both MySQL 8 and MariaDB 10.11 understand.
CREATE TABLE IF NOT EXISTS deployment_keys (
    id BIGINT NOT NULL PRIMARY KEY,
    master VARBINARY(16) NOT NULL,
    wrapped VARBINARY(128) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- An id is never used again.
CREATE TABLE IF NOT EXISTS accounts (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    localpart_hash BINARY(16) UNIQUE,
    localpart VARBINARY(2048),
    wrapped_key VARBINARY(128),
    credentials BLOB,
    one_hash TINYINT,
    disabled TINYINT NOT NULL DEFAULT 0,
    created_at_ms BIGINT NOT NULL,
    last_seen_ms BIGINT,
    last_status MEDIUMBLOB,
    roster_version BIGINT NOT NULL,
    KEY accounts_with_one_hash (one_hash)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS roster (
    owner BIGINT NOT NULL,
    jid_hash BINARY(16) NOT NULL,
    subscription TINYINT NOT NULL,
    ask TINYINT NOT NULL,
    approved TINYINT NOT NULL,
    in_roster TINYINT NOT NULL,
    version BIGINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, jid_hash)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS roster_removals (
    owner BIGINT NOT NULL,
    jid_hash BINARY(16) NOT NULL,
    version BIGINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, jid_hash)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- InnoDB keeps rows in the order of the primary key: an archive lies together.
CREATE TABLE IF NOT EXISTS archive (
    owner BIGINT NOT NULL,
    id BIGINT NOT NULL,
    peer_hash BINARY(16) NOT NULL,
    full_hash BINARY(16),
    direction TINYINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, id),
    KEY archive_by_peer (owner, peer_hash, id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS transient (
    owner BIGINT NOT NULL,
    id BIGINT NOT NULL,
    direction TINYINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS undelivered (
    owner BIGINT NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (owner, id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS archive_mark (
    one BIGINT NOT NULL PRIMARY KEY,
    id BIGINT NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS archive_prefs (
    owner BIGINT NOT NULL PRIMARY KEY,
    sealed MEDIUMBLOB NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS blocklist (
    owner BIGINT NOT NULL,
    jid_hash BINARY(16) NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, jid_hash)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS private_xml (
    owner BIGINT NOT NULL,
    key_hash BINARY(16) NOT NULL,
    bytes BIGINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, key_hash)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS vcards (
    owner BIGINT NOT NULL PRIMARY KEY,
    sealed MEDIUMBLOB NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS devices (
    owner BIGINT NOT NULL,
    id BIGINT NOT NULL,
    by_password TINYINT NOT NULL,
    first_seen_ms BIGINT NOT NULL,
    last_seen_ms BIGINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS device_tokens (
    owner BIGINT NOT NULL,
    device BIGINT NOT NULL,
    seed VARBINARY(64) NOT NULL,
    mechanism VARCHAR(64) NOT NULL,
    issued_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    used_at_ms BIGINT,
    last_count BIGINT NOT NULL,
    PRIMARY KEY (owner, device, seed)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO archive_mark (one, id) VALUES (1, 0);
