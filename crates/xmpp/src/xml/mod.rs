//! XML as XMPP uses it (RFC 6120 §11): a resumable scanner that cuts a stream into whole elements.
//!
//! The scanner checks everything XML 1.0 and Namespaces in XML demand, but builds no tree: an [`Element`] is a slice
//! of the read buffer and the positions of what routing asks for. [`Element::to_dom`] is there for payloads that are
//! worth a tree. Order of the layers: `lexer` finds tokens, `tag` reads tags, `namespaces` gives prefixes their
//! meaning, `outline` matches tags, `scanner` makes frames.

mod chars;
mod child;
mod declaration;
mod decode;
mod dom;
mod element;
mod error;
mod escape;
mod header;
mod lexer;
mod limits;
mod namespaces;
mod outline;
mod scanner;
mod span;
mod tag;

pub use child::Child;
pub use element::Element;
pub use error::{Bound, XmlError};
pub use escape::{escape_attribute_into, escape_into, escaped};
pub use header::StreamHeader;
pub use limits::Limits;
pub use scanner::{Frame, Scanner};

#[cfg(test)]
mod tests;
