//! The generator against servers that misbehave on purpose: what goes wrong on a server must show in the
//! report, under its own name, and nothing else may. One binary, so that the runs, which wait for most of
//! their time, wait beside each other.

mod churn;
mod command_line;
mod comparing;
mod coordinated_omission;
mod endings;
mod false_alarms;
mod files;
mod honest;
mod lies;
mod limit;
mod logins;
mod plan;
mod reconnects;
mod resends;
#[path = "../support/mod.rs"]
mod support;
