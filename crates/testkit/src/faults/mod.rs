//! Faults on purpose: traffic that keeps a ledger of what was promised to whom, while the server is killed and
//! started again, and the comparison of the ledger with what arrived and what the archives hold (`DESIGN.md`,
//! invariants 1 and 2).

mod archive;
mod dice;
mod ledger;
mod process;
mod recipient;
mod sender;
mod traffic;

pub use archive::{Archived, archived_after, archived_of};
pub use dice::{Dice, number_from, seed};
pub use ledger::{Fate, Ledger, Note, Pair};
pub use process::limit_file_bytes;
pub use traffic::{Plan, Traffic};
