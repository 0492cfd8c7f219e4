-- A row while a backup or another database is being copied into this one, and after that broke off: the name of the
-- command that does it. Nobody else opens the database then.
CREATE TABLE IF NOT EXISTS filling (
    one BIGINT NOT NULL PRIMARY KEY,
    command VARCHAR(64) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
