//! A value that its setting accepts.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::access::Addresses;

use super::list;
use crate::units::{Size, Time};

/// A value that its setting accepts. Displays as `check-config` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SettingValue {
    Address(IpAddr),
    Listen(Option<SocketAddr>),
    Count(u64),
    Auto,
    Flag(bool),
    /// Bytes.
    Size(u64),
    Time(Duration),
    Choice(&'static str),
    Text(String),
    Texts(Vec<String>),
    Networks(Addresses),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingValue::Address(address) => write!(formatter, "{address}"),
            SettingValue::Listen(Some(address)) => write!(formatter, "{address}"),
            SettingValue::Listen(None) => formatter.write_str("\"\""),
            SettingValue::Count(count) => write!(formatter, "{count}"),
            SettingValue::Flag(is_on) => write!(formatter, "{is_on}"),
            SettingValue::Auto => formatter.write_str("auto"),
            SettingValue::Size(bytes) => write!(formatter, "{}", Size(*bytes)),
            SettingValue::Time(time) => write!(formatter, "{}", Time(*time)),
            SettingValue::Choice(choice) => formatter.write_str(choice),
            SettingValue::Text(text) => write!(formatter, "{text:?}"),
            SettingValue::Texts(texts) => write!(formatter, "{texts:?}"),
            SettingValue::Networks(Addresses(networks)) => {
                let shown: Vec<String> = networks.iter().map(list::shown).collect();
                write!(formatter, "{shown:?}")
            }
        }
    }
}
