-- A row while a backup or another database is being copied into this one, and after that broke off: the name of the
-- command that does it. Nobody else opens the database then.
CREATE TABLE filling (
    one INTEGER PRIMARY KEY,
    command TEXT NOT NULL
) STRICT;
