-- XEP-0388: the installations that log in to an account. The id is a keyed hash
-- of what the client calls itself, which is not kept.
CREATE TABLE devices (
    owner INTEGER NOT NULL,
    id INTEGER NOT NULL,
    software TEXT,
    name TEXT,
    by_password INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT;

-- XEP-0484. The token is made from the seed and a key that is not in the
-- database: who reads this table can log in nowhere.
CREATE TABLE device_tokens (
    owner INTEGER NOT NULL,
    device INTEGER NOT NULL,
    seed BLOB NOT NULL,
    mechanism TEXT NOT NULL,
    issued_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER,
    last_count INTEGER NOT NULL,
    PRIMARY KEY (owner, device, seed)
) STRICT;
