-- RFC 6121 §2. group_names is a JSON array. Rows with in_roster = 0 hold only a
-- pending inbound subscription request.
CREATE TABLE roster (
    owner INTEGER NOT NULL,
    jid TEXT NOT NULL,
    name TEXT,
    subscription INTEGER NOT NULL,
    ask INTEGER NOT NULL,
    approved INTEGER NOT NULL,
    pending_in BLOB,
    group_names TEXT NOT NULL,
    in_roster INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (owner, jid)
) STRICT;

-- Items that left a roster, for RFC 6121 §2.6.
CREATE TABLE roster_removals (
    owner INTEGER NOT NULL,
    jid TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (owner, jid)
) STRICT, WITHOUT ROWID;
