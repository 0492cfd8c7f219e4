-- XEP-0441. The lists are JSON arrays.
CREATE TABLE archive_prefs (
    owner INTEGER PRIMARY KEY,
    fallback INTEGER NOT NULL,
    always_jids TEXT NOT NULL,
    never_jids TEXT NOT NULL
) STRICT;

-- XEP-0191
CREATE TABLE blocklist (
    owner INTEGER NOT NULL,
    jid TEXT NOT NULL,
    PRIMARY KEY (owner, jid)
) STRICT, WITHOUT ROWID;

-- XEP-0049
CREATE TABLE private_xml (
    owner INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    xml TEXT NOT NULL,
    PRIMARY KEY (owner, namespace, name)
) STRICT;

-- XEP-0054, XEP-0153
CREATE TABLE vcards (
    owner INTEGER PRIMARY KEY,
    xml TEXT NOT NULL,
    photo_sha1 TEXT
) STRICT;
