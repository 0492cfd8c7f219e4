//! Every bound of this crate, with its unit. Those an operator may want to
//! change are the defaults of [`Options`](crate::Options).

use std::time::Duration;

/// Batches that wait for the writer before `write` and `submit` wait for room.
pub const WRITE_QUEUE_BATCHES_MAX: usize = 4096;

/// Batches that share one commit.
pub const GROUP_BATCHES_MAX: usize = 512;

/// Submitted batches that are held back before they are committed without a
/// write to join.
pub const SUBMITTED_BATCHES_MAX: usize = 64;

/// How long a submitted batch is held back for a write to join.
pub const SUBMITTED_HELD_MAX: Duration = Duration::from_millis(50);

/// Queries that wait for a reader before `query` waits for room.
pub const READ_QUEUE_QUERIES_MAX: usize = 4096;

/// Reader threads, each with a connection of its own.
pub const READERS: usize = 4;

/// Queries that may run at a time on the threads of those who ask.
pub const SPOTS: usize = 2;

/// Thousands of SQLite's steps that such a query may take: about a millisecond, and a page of
/// [`PAGE_MESSAGES_MAX`] messages three times over.
pub const SPOT_READ_STRIDES_MAX: u32 = 20;

/// After two in a row that took longer there is none for [`SPOT_READ_PAUSE_TIMES`] times as long.
pub const SPOT_READ_MAX: Duration = Duration::from_millis(1);

/// So a disk that is slow all the time holds up other tasks for about a tenth of it.
pub const SPOT_READ_PAUSE_TIMES: u32 = 20;
/// Snapshots that are open at once; each holds a connection, and on SQLite the
/// write-ahead log since its moment.
pub const SNAPSHOTS_MAX: usize = 2;

/// Rows of one page when whole tables are read or written.
pub const COPY_PAGE_ROWS: u32 = 256;

/// Bytes of one row when whole tables are read or written.
pub const COPY_ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Statements that stay prepared on each connection.
pub const PREPARED_STATEMENTS_MAX: usize = 128;

/// How long a lock held by another process is waited for.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages in the write-ahead log that make a commit copy it into the database.
pub const WAL_CHECKPOINT_PAGES: i64 = 16384;

/// Bytes the write-ahead log may have before readers are waited for to empty it.
pub const WAL_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// How long the writer waits for readers to empty the write-ahead log.
pub const WAL_EMPTY_TIMEOUT: Duration = Duration::from_millis(100);

/// How long it lets a log grow that readers kept from being emptied.
pub const WAL_EMPTY_PAUSE: Duration = Duration::from_secs(10);

/// Rows one step of an account's deletion removes.
pub const DELETE_STEP_ROWS: u32 = 500;

/// Messages one step of a purge removes. One that is sent meanwhile may have to wait for it: with 100 it was stored in up
/// to 11 ms on PostgreSQL, without a purge in 5 (p99).
pub const PURGE_STEP_ROWS: u32 = 50;

/// Accounts whose messages one step of a purge removes.
pub const PURGE_STEP_OWNERS: usize = 16;

/// Messages one page of an archive or of the undelivered ones returns.
pub const PAGE_MESSAGES_MAX: u32 = 256;

/// Items that one query of a node returns.
pub const PUBSUB_ITEMS_PAGE_MAX: u32 = 256;

/// Ids one archive query may name (XEP-0313 §4.1.4).
pub const QUERY_IDS_MAX: usize = 256;

/// Changes of a roster that are kept as differences (RFC 6121 §2.6).
pub const ROSTER_CHANGES_KEPT: i64 = 256;

/// Accounts whose keys stay in memory, about 100 bytes each. One more costs a query when it is next used.
pub const ACCOUNT_KEYS_MAX: usize = 65_536;

/// Accounts whose keys stay ready for use, about 2 KB each. One more costs a third of a microsecond.
pub const ACCOUNT_KEYS_READY_MAX: usize = 2_048;

/// Keys that are wrapped again in one step.
pub const ROTATE_STEP_ACCOUNTS: u32 = 500;

/// Milliseconds between two notes of how far the ids of messages have come.
pub const ARCHIVE_MARK_MS: i64 = 1_000;

/// Connections to a database server that read; one more writes.
pub const REMOTE_READERS: usize = 8;

/// How long connecting to a database server may take, TLS and log-in included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a query waits for room in the queue and for a free connection.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one statement may run on a database server.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a statement waits for a lock that another node holds.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a group of batches may take from `BEGIN` to `COMMIT`: then its connection is given up.
pub const GROUP_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a node waits for another one that migrates.
pub const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// How often a group is repeated that the database undid for the sake of another.
pub const GROUP_REPEATS_MAX: u32 = 8;

/// The pause after a first failure to connect; it doubles with each further one.
pub const RECONNECT_WAIT_MIN: Duration = Duration::from_millis(100);

/// The longest pause between attempts to connect.
pub const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long nothing may be heard from a database server before the operating system asks whether it is there.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Rows that one statement inserts at most.
pub const INSERT_ROWS_MAX: usize = 64;

/// Bytes of parameters that one folded statement carries at most, which is far below any `max_allowed_packet`.
pub const INSERT_BYTES_MAX: usize = 256 * 1024;
