-- SQLite's migration 8; what the columns hold is said there.
CREATE TABLE IF NOT EXISTS pubsub_nodes (
    owner BIGINT NOT NULL,
    node_hash BINARY(16) NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, node_hash)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS pubsub_items (
    owner BIGINT NOT NULL,
    item_hash BINARY(16) NOT NULL,
    node_hash BINARY(16) NOT NULL,
    seq BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    sealed MEDIUMBLOB NOT NULL,
    PRIMARY KEY (owner, item_hash),
    KEY pubsub_items_by_node (owner, node_hash, seq)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
