//! Other people's servers that tests run against: started on a free port in a temporary folder, and stopped when the
//! test process ends, however it ends.

mod garage;
mod garages;
mod watched;

pub use garage::Garage;
pub use garages::Garages;
pub use watched::free_port;
