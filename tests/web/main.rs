//! The HTTP side of a running server: discovery, browsers' transports, and what strangers try on them.

mod bosh;
mod discovery;
mod nginx;
mod proxies;
mod resumption;
mod strangers;
mod strangers_bosh;
mod strangers_http;
mod websocket;
