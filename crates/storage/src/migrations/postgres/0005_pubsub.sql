-- SQLite's migration 8; what the columns hold is said there.
CREATE TABLE pubsub_nodes (
    owner BIGINT NOT NULL,
    node_hash BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (owner, node_hash)
);

CREATE TABLE pubsub_items (
    owner BIGINT NOT NULL,
    item_hash BYTEA NOT NULL,
    node_hash BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (owner, item_hash)
);
CREATE INDEX pubsub_items_by_node ON pubsub_items (owner, node_hash, seq);
