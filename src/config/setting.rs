//! A setting: its names, what it accepts, and the Rust type of its value. The type is part of the key, so
//! code that reads a setting as something else does not compile.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, RangeInclusive};
use std::time::Duration;

use crate::access::Addresses;

use super::kind::Kind;
use super::value::SettingValue;

/// A setting whose value is a `T`. Each constructor pairs a kind with the type of its values.
#[derive(Debug)]
pub(crate) struct Key<T> {
    pub(super) setting: Setting,
    value: PhantomData<fn() -> T>,
}

/// A setting, whatever the type of its value.
#[derive(Debug)]
pub struct Setting {
    /// The dotted TOML name.
    pub(super) name: &'static str,
    /// The name in storm.yaml, where Storm has one.
    pub(super) storm_name: Option<&'static str>,
    pub(super) kind: Kind,
    /// Whether a reload applies a new value. Other settings need a restart.
    pub(super) is_reloadable: bool,
}

impl<T> Deref for Key<T> {
    type Target = Setting;

    fn deref(&self) -> &Setting {
        &self.setting
    }
}

impl<T> Key<T> {
    const fn new(name: &'static str, kind: Kind) -> Key<T> {
        Key {
            setting: Setting {
                name,
                storm_name: None,
                kind,
                is_reloadable: false,
            },
            value: PhantomData,
        }
    }

    pub(super) const fn storm(mut self, name: &'static str) -> Key<T> {
        self.setting.storm_name = Some(name);
        self
    }

    pub(super) const fn reloadable(mut self) -> Key<T> {
        self.setting.is_reloadable = true;
        self
    }
}

impl<T: Whole> Key<T> {
    pub(super) const fn count(name: &'static str, range: RangeInclusive<u64>) -> Key<T> {
        assert!(*range.end() <= T::MAX, "the range must fit the type");
        Key::new(name, Kind::Count(range))
    }

    /// Bytes.
    pub(super) const fn size(name: &'static str, range: RangeInclusive<u64>) -> Key<T> {
        assert!(*range.end() <= T::MAX, "the range must fit the type");
        Key::new(name, Kind::Size(range))
    }
}

impl<T: Choice> Key<T> {
    pub(super) const fn choice(name: &'static str) -> Key<T> {
        let (what, names) = (T::WHAT, choice_names::<T> as fn() -> _);
        Key::new(name, Kind::Choice { what, names })
    }
}

impl Key<Option<u64>> {
    /// `None` is "auto".
    pub(super) const fn auto_or_count(name: &'static str, range: RangeInclusive<u64>) -> Self {
        Key::new(name, Kind::AutoOrCount(range))
    }
}

impl Key<Duration> {
    pub(super) const fn time(name: &'static str, range: RangeInclusive<Duration>) -> Self {
        Key::new(name, Kind::Time(range))
    }
}

macro_rules! constructors {
    ($($type:ty: $constructor:ident => $kind:expr;)*) => {$(
        impl Key<$type> {
            pub(super) const fn $constructor(name: &'static str) -> Self {
                Key::new(name, $kind)
            }
        }
    )*};
}

constructors! {
    u16: port => Kind::Port;
    bool: flag => Kind::Flag;
    IpAddr: address => Kind::Address;
    Option<SocketAddr>: listen => Kind::Listen;
    Option<String>: text => Kind::Text;
    Option<String>: directory => Kind::Directory;
    Vec<String>: texts => Kind::Texts;
    Vec<String>: host_names => Kind::HostNames;
    Addresses: networks => Kind::Networks;
}

/// A whole number.
pub(crate) trait Whole {
    const MAX: u64;
}

/// A type with few values, each of which has a name in the configuration.
pub(crate) trait Choice: Copy + 'static {
    /// What the names stand for, with its article.
    const WHAT: &'static str;
    const CHOICES: &'static [(&'static str, Self)];
}

fn choice_names<T: Choice>() -> Vec<&'static str> {
    T::CHOICES.iter().map(|(name, _)| *name).collect()
}

/// A type that the value of a setting can have.
pub(super) trait FromValue: Sized {
    /// `None`: a key of this type never has such a value.
    fn from_value(value: &SettingValue) -> Option<Self>;
}

impl<T: Choice> FromValue for T {
    fn from_value(value: &SettingValue) -> Option<T> {
        let SettingValue::Choice(chosen) = value else {
            return None;
        };
        let found = T::CHOICES.iter().find(|(name, _)| name == chosen);
        found.map(|(_, choice)| *choice)
    }
}

macro_rules! from_value {
    ($($type:ty: $($pattern:pat => $value:expr),+;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: &SettingValue) -> Option<$type> {
                match value {
                    $($pattern => Some($value),)+
                    _ => None,
                }
            }
        }
    )*};
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl Whole for $type {
            const MAX: u64 = <$type>::MAX as u64;
        }

        from_value! {
            $type: SettingValue::Count(number) | SettingValue::Size(number) =>
                <$type>::try_from(*number).ok()?;
        }
    )*};
}

whole!(u8, u16, u32, u64, usize);

from_value! {
    Option<u64>: SettingValue::Auto => None, SettingValue::Count(count) => Some(*count);
    Duration: SettingValue::Time(time) => *time;
    bool: SettingValue::Flag(is_on) => *is_on;
    IpAddr: SettingValue::Address(address) => *address;
    Option<SocketAddr>: SettingValue::Listen(address) => *address;
    Option<String>: SettingValue::Text(text) => (!text.is_empty()).then(|| text.clone());
    Vec<String>: SettingValue::Texts(texts) => texts.clone();
    Addresses: SettingValue::Networks(networks) => networks.clone();
}
