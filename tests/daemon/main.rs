//! Tests of the daemon as a child process, and of parts that need no process. They are one binary because each
//! binary links the whole daemon.

mod access_rules;
mod admin;
mod admin_hosts;
mod ageing;
mod architecture;
mod closing;
mod command_documents;
mod command_logins;
mod configuration;
mod conformance_scripts;
mod data_planes;
mod forwarded_requests;
mod fuzz_corpus;
mod golden_bytes;
mod healthcheck;
mod heartbeats;
mod hostile_peers;
mod jaas_cross_check;
mod kdc;
#[cfg(feature = "kerberos")]
mod kerberos_exchange;
mod large_directories;
mod limits;
mod listening;
mod listing;
mod login_abuse;
mod login_rules;
mod login_settings;
mod lost_hosts;
mod many_shards;
mod memory_limit;
mod metrics;
mod monitoring;
mod page;
mod paused;
mod reload;
mod slow_reader;
mod socket_activation;
mod stalled_peers;
mod stopped_shard;
mod storm_yaml;
mod storm_yaml_cross_check;
mod storms_options;
mod thrift_cross_check;
mod top;
