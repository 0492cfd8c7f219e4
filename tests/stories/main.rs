//! What a script cannot tell: servers that end, start again and crash, and streams that never begin.

mod backup;
mod databases;
mod lifecycle;
mod moving;
mod one_round_trip;
mod published;
mod retention;
mod sealed;
mod streams;
