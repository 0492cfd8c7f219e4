//! Sessions: bound resources, which outlive their sockets. The table says who is where; it is a hint that a restart
//! clears, never the truth about a message.

mod control;
mod outbound;
mod session;
mod sm;
mod table;

pub use control::{Control, ControlSlot, Handover};
pub use outbound::{Batch, Class, Delivery, Outbound, Outbox};
pub use session::{NewSession, Presence, Session};
pub use sm::{SentTooLittle, Sm, SmId};
pub use table::{Resources, Sessions, TooManySessions};
