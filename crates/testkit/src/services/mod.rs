//! Other people's servers that tests run against: started on a free port in a temporary folder, and stopped when the
//! test process ends, however it ends.

mod coturn;
mod garage;
mod pebble;
mod program;
mod watched;

pub use coturn::Coturn;
pub use garage::Garage;
pub use pebble::{Authority, Pebble};
pub use program::program;
pub use watched::free_port;
