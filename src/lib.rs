//! The heartbeat daemon for Apache Storm clusters: a drop-in replacement for Storm's Pacemaker.
//!
//! `docs/ARCHITECTURE.md` tells how it works; `shard::serve` is where to begin to read.

pub mod access;
mod admin;
pub mod auth;
pub mod blocking_client;
pub mod cli;
pub mod client_login;
pub mod commands;
pub mod config;
pub mod connection;
pub mod fault;
pub mod limits;
pub mod ring;
pub mod server;
pub mod session;
pub mod shard;
pub mod store;
pub mod units;
pub mod wire;
