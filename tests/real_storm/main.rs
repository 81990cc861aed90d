//! Storm's own programs against the daemon: its published clients, and whole clusters.

mod day_in_the_life;
mod logins;
mod real_clients;
mod real_cluster;
mod sasl_logins;
mod secured_cluster;
