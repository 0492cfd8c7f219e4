//! The promise under faults: a message the server has acknowledged is never lost and never shown twice, whatever
//! happens to the process, the disk and the connections.
//!
//! `WHIMBREL_SEED` replays a run, `WHIMBREL_KILLS` and `WHIMBREL_CASES` make one longer.

mod database;
mod device;
mod disk;
mod filling;
mod kills;
mod order;
mod resume;
