//! Media of a running server: uploads and downloads, over folder and Garage, with bad input and with others' software.

mod backups;
mod files;
mod hostile;
mod leaving;
mod nodes;
mod resume;
mod slots;
mod software;
mod stage;
mod stores;
mod transfers;
