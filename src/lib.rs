//! The heartbeat daemon for Apache Storm clusters: a drop-in replacement for Storm's Pacemaker.
//!
//! `docs/ARCHITECTURE.md` tells how it works; `shard::serve` is where to begin to read.
//!
//! What is `pub` here, `loadgen`, the benchmarks, the fuzz targets or the tests use.

#![warn(unreachable_pub)] // what no other crate uses is not `pub`

pub mod access;
mod admin;
mod announcement;
pub mod auth;
pub mod blocking_client;
mod budget;
pub mod cli;
pub mod client_login;
mod commands;
pub mod config;
pub mod connection;
pub mod fault;
pub mod footprint;
pub mod io;
pub mod limits;
pub mod server;
pub mod session;
pub mod shard;
pub mod store;
pub mod units;
pub mod wire;
