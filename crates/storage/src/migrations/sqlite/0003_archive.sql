-- The mailbox: one row for each owner of a message. The id holds the time.
CREATE TABLE archive (
    owner INTEGER NOT NULL,
    id INTEGER NOT NULL,
    peer TEXT NOT NULL,
    peer_resource TEXT,
    direction INTEGER NOT NULL,
    stanza BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX archive_by_id ON archive (owner, id);
CREATE INDEX archive_by_peer ON archive (owner, peer, id);

-- Messages that are kept only until they are delivered.
CREATE TABLE transient (
    owner INTEGER NOT NULL,
    id INTEGER NOT NULL,
    peer TEXT NOT NULL,
    peer_resource TEXT,
    direction INTEGER NOT NULL,
    stanza BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX transient_by_id ON transient (owner, id);

-- Points at rows of archive or transient that no device has acknowledged.
CREATE TABLE undelivered (
    owner INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

-- Without statistics the planner reads a whole mailbox to find one conversation.
-- These are fixed, so that plans do not depend on when somebody last analysed:
-- rows; then rows with the same owner, with the same owner and peer, and so on.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('archive', 'archive_by_id', '10000000 10000 1'),
    ('archive', 'archive_by_peer', '10000000 10000 200 1'),
    ('transient', 'transient_by_id', '10000 20 1'),
    ('undelivered', 'undelivered', '100000 20 1');
ANALYZE sqlite_schema;
