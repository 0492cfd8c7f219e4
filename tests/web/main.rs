//! The HTTP side of a running server: discovery, browsers' transports, and what strangers try on them.

mod discovery;
