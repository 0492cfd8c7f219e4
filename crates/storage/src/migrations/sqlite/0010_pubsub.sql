-- XEP-0060, XEP-0163: nodes of accounts and the items published to them.
-- Sealed: name, configuration, affiliations, subscriptions.
CREATE TABLE pubsub_nodes (
    owner INTEGER NOT NULL,
    node_hash BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, node_hash)
) STRICT, WITHOUT ROWID;

-- item_hash is of node and item id; seq holds the time and gives the order of
-- publishing; bytes is the length of the payload. Sealed: id, publisher, payload.
CREATE TABLE pubsub_items (
    owner INTEGER NOT NULL,
    item_hash BLOB NOT NULL,
    node_hash BLOB NOT NULL,
    seq INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, item_hash)
) STRICT;
CREATE INDEX pubsub_items_by_node ON pubsub_items (owner, node_hash, seq);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('pubsub_items', 'sqlite_autoindex_pubsub_items_1', '100000 100 1'),
    ('pubsub_items', 'pubsub_items_by_node', '100000 100 10 1');
ANALYZE sqlite_schema;
