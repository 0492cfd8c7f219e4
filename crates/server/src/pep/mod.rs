//! Personal events (XEP-0163, on what it needs of XEP-0060): every account has nodes, what is published to them is
//! stored, and whoever may see it and wants to is told.
//!
//! One lock for each account ([`Account::hold_nodes`](crate::accounts::Account::hold_nodes)) orders what happens to its
//! nodes: a change is committed, then told, then the next one begins. Telling only queues, so nobody waits for a reader.

mod access;
mod arrival;
mod avatar;
mod bookmarks;
mod caps;
mod defaults;
mod disco;
mod displayed;
mod events;
mod failure;
mod items;
mod node;
mod owner;
mod portable;
mod publish;
mod request;
mod retract;
mod subscribe;

pub use arrival::{answered, presence_changed, subscription_granted};
pub use avatar::{Photo, from_vcard, with_photo};
pub use bookmarks::{fetch as fetch_bookmarks, is_asked_for as are_bookmarks_asked_for, store as store_bookmarks};
pub use caps::{Caps, SessionCaps};
pub use disco::{info as node_info, items as node_items, nodes_for};
pub use displayed::take as take_displayed;
pub use failure::Failure;
pub use node::{HeldNodes, Nodes};
pub(crate) use portable::{Exported, NodeEntry, export, import, read_items, read_nodes};
pub use request::handle;
