//! What the server does with peers that err, lie, flood or fall silent, and with a machine that fails under it: each
//! gets exactly the error that its RFC or XEP names, and nobody else notices (`DESIGN.md`, invariants 1, 4 and 5).

mod accounts;
mod appetite;
mod binding;
mod bounds;
mod check;
mod cost;
mod crash;
mod crowds;
mod disk_full;
mod guessing;
mod handshakes;
mod headers;
mod pubsub;
mod sasl;
mod silence;
mod sizes;
mod slow_reader;
mod stage;
mod stanzas;
mod starttls;
mod startup;
mod stream_management;
mod xml;
