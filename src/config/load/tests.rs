use std::num::NonZeroUsize;

use support::says::{assert_lines_say, assert_says};

use super::super::{AuthMethod, Severity, keys};
use super::*;
use crate::access::PageRule;
use crate::footprint::Footprint;

fn sources() -> Sources {
    Sources {
        config: Vec::new(),
        storm_conf: None,
        storm_conf_dir: None,
        storm_home: None,
        java_opts: None,
        overrides: Vec::new(),
        definitions: Vec::new(),
        user_home: None,
        user_name: None,
        flags: Vec::new(),
        cores: Cores {
            usable: NonZeroUsize::new(4).unwrap(),
            ids: vec![0, 1, 4, 5],
            are_ours: true,
        },
        memory: None,
    }
}

fn with(overrides: &[&str]) -> Result<Loaded, ConfigErrors> {
    let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
    load(&Sources {
        overrides,
        ..sources()
    })
}

fn source_of(loaded: &Loaded, key: &str) -> String {
    let settings = &loaded.config.effective_settings;
    settings
        .iter()
        .find(|setting| setting.key == key)
        .unwrap()
        .source
        .clone()
}

#[test]
fn the_defaults_set_every_key_and_nothing_else() {
    let mut diagnostics = Diagnostics::default();
    let entries = toml_layer::read_defaults(DEFAULTS, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{diagnostics:#?}");
    assert_eq!(entries.len(), keys::SETTINGS.len());
    let Loaded { config, notes } = load(&sources()).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(config.server.address(), "[::]:6699".parse().unwrap());
    assert_eq!(config.server.shards.get(), 4);
    assert_eq!(config.server.cores, [0, 1, 4, 5]);
    assert_eq!(config.auth.method, AuthMethod::None);
    assert_eq!(config.auth.login_config, None);
    assert_eq!(config.limits.frame_bytes, 10_485_760);
    assert_eq!(config.limits.stored_bytes, 4 * crate::limits::GIB);
    assert_eq!(config.admin.page, PageRule::Local);
    assert_eq!(config.log.level, tracing::Level::INFO);
}

/// What operators read in the file is what the code allows.
#[test]
fn the_defaults_document_every_range_and_every_storm_name() {
    for setting in keys::SETTINGS {
        let (table, name) = setting.name.split_once('.').unwrap();
        let table = DEFAULTS.split_once(&format!("\n[{table}]\n")).unwrap().1;
        let before = table.split_once(&format!("\n{name} = ")).unwrap().0;
        let comment = before.rsplit("\n\n").next().unwrap().replace("\n# ", " ");
        let storm_name = setting.storm_name.map(str::to_owned);
        for fact in setting.kind.range().into_iter().chain(storm_name) {
            assert!(
                comment.contains(&fact),
                "{}: {fact:?} is not in {comment:?}",
                setting.name
            );
        }
    }
}

#[test]
fn automatic_shards_are_bounded_by_threads_and_cores() {
    for (max_threads, shards, rule) in [
        ("50", 4, &["min", "max_threads 50", "4 cores"][..]),
        ("3", 3, &["min", "max_threads 3", "4 cores"]),
        ("0", 4, &["4 cores"]),
        (
            "2147483647",
            4,
            &["min", "max_threads 2147483647", "4 cores"],
        ),
    ] {
        let loaded = with(&[&format!("pacemaker.max.threads={max_threads}")]).unwrap();
        assert_eq!(loaded.config.server.shards.get(), shards);
        assert_says(&source_of(&loaded, "server.shards"), "computed", rule);
    }
    let more = with(&["server.shards=9"]).unwrap();
    assert_eq!(more.config.server.shards.get(), 9);
    assert_says(
        &more.notes[0].to_string(),
        "warning",
        &["9 shards", "4 cores"],
    );
}

#[test]
fn a_larger_frame_takes_the_default_output_with_it_but_not_a_chosen_one() {
    let loaded = with(&["pacemaker.thrift.message.size.max=104857600"]).unwrap();
    assert_eq!(loaded.config.limits.output_bytes, 104_857_600);
    let source = source_of(&loaded, "limits.output");
    assert_says(&source, "computed", &["limits.frame_size", "16MiB"]);
    let errors = with(&["limits.frame_size=2MiB", "limits.output=1MiB"]).unwrap_err();
    let facts = ["1MiB", "less than", "limits.frame_size", "2MiB", "-c"];
    assert_lines_say(&errors.to_string(), &[("-c: limits.output", &facts)]);
    let errors = with(&["limits.buffered=8MiB"]).unwrap_err().to_string();
    let facts = ["8MiB", "limits.frame_size", "10MiB", "default"];
    assert_lines_say(&errors, &[("-c: limits.buffered", &facts)]);
}

#[test]
fn the_last_override_wins_and_what_it_overrides_is_not_checked() {
    let loaded = with(&["server.port=wrong", "pacemaker.port=7000"]).unwrap();
    assert_eq!(loaded.config.server.port, 7000);
    assert_eq!(source_of(&loaded, "server.port"), "-c (pacemaker.port)");
}

#[test]
fn every_wrong_override_is_reported() {
    let errors = with(&[
        "server.prot=1",
        "port",
        "pacemaker.port=70000",
        "log.level=INFO",
    ]);
    assert_lines_say(
        &errors.unwrap_err().to_string(),
        &[
            ("-c: server.prot", &["unknown", "server.port?"]),
            ("-c", &["\"port\"", "KEY=VALUE", "-c server.port=6699"]),
            ("-c: pacemaker.port", &["70000", "0 to 65535"]),
            (
                "-c: log.level",
                &[
                    "\"INFO\"",
                    "error, warn, info, debug, trace",
                    "case-sensitive",
                ],
            ),
        ],
    );
}

/// A configuration for a process with so much memory, in MiB.
fn with_memory(mib: u64, overrides: &[&str]) -> Loaded {
    let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
    let memory = MemoryLimit {
        bytes: mib << 20,
        file: "/sys/fs/cgroup/memory.max".into(),
    };
    load(&Sources {
        overrides,
        memory: Some(memory),
        ..sources()
    })
    .unwrap()
}

/// The most memory that the limits allow, with what the kernel holds for connections.
fn needed_bytes(config: &Config) -> u64 {
    let shards = config.server.shards.get();
    let kernel = config.limits.connections * crate::limits::KERNEL_CONNECTION_BYTES;
    Footprint::of(&config.limits, shards, true).total() + kernel
}

#[test]
fn defaults_follow_the_memory_of_the_process() {
    let plenty = with_memory(64 << 10, &[]);
    assert_eq!(plenty.config.limits.stored_bytes, 4 << 30);
    assert_eq!(source_of(&plenty, "limits.stored_bytes"), "default");
    let mut before = u64::MAX;
    for mib in [8 << 10, 2 << 10, 1 << 10, 512, 256] {
        let Loaded { config, notes } = with_memory(mib, &["server.shards=2"]);
        assert!(notes.is_empty(), "{notes:?}");
        let needed = needed_bytes(&config);
        assert!(needed <= mib << 20, "{needed} of {mib} MiB");
        // And they leave nothing unused that could be for pulses.
        let stored = config.limits.stored_bytes;
        assert!(
            stored < before && stored >= (mib << 20) / 24,
            "{stored} of {mib} MiB"
        );
        before = stored;
    }
    let small = with_memory(256, &["server.shards=2"]);
    for key in [
        "limits.stored_bytes",
        "limits.buffered",
        "limits.connections",
    ] {
        let source = source_of(&small, key);
        assert!(
            source.contains("256 MiB") && source.contains("/sys/fs/cgroup/memory.max"),
            "{source}"
        );
    }
    assert_eq!(source_of(&small, "limits.frame_size"), "default");
}

#[test]
fn configured_limits_stay_and_are_warned_about() {
    let overrides = [
        "server.shards=2",
        "limits.stored_bytes=1GiB",
        "limits.buffered=512MiB",
    ];
    let Loaded { config, notes } = with_memory(1 << 10, &overrides);
    assert_eq!(config.limits.stored_bytes, 1 << 30);
    assert_eq!(config.limits.buffered_bytes, 512 << 20);
    let [
        Note {
            severity: Severity::Warning,
            text,
        },
    ] = &notes[..]
    else {
        panic!("{notes:?}");
    };
    let needed = crate::units::show_bytes(needed_bytes(&config) as f64);
    for fact in [
        needed.as_str(),
        "1.00 GiB",
        "/sys/fs/cgroup/memory.max",
        "limits.stored_bytes (1GiB)",
        "limits.buffered (512MiB)",
        "limits.connections",
        "server.shards (2)",
    ] {
        assert!(text.contains(fact), "{fact:?} is not in {text:?}");
    }
    // Small ones fit, beside defaults that follow.
    let overrides = ["server.shards=2", "limits.stored_bytes=100MiB"];
    assert!(with_memory(1 << 10, &overrides).notes.is_empty());
    // Memory that is too small for any limits.
    let tiny = with_memory(64, &["server.shards=4"]);
    assert_eq!(tiny.config.limits.stored_bytes, 1 << 20);
    assert_eq!(tiny.notes.len(), 1);
}
