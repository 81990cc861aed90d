//! Judges machines that we do not have, by their facts.

use rustix::io::Errno;

use super::*;

/// A machine with nothing to complain about.
fn good() -> Facts {
    let limit = |number| Rlimit {
        current: Some(number),
        maximum: Some(number),
    };
    Facts {
        kernel: "6.12.0-1-amd64".to_owned(),
        ring_error: None,
        io_uring_disabled: Some(0),
        seccomp_filter: false,
        memlock: limit(8 << 20),
        files: limit(1 << 20),
        somaxconn: Some(4096),
    }
}

fn needs() -> Needs {
    Needs {
        connections: 100_000,
        shards: 4,
        minimum_wait: true,
    }
}

fn refusal(facts: &Facts) -> String {
    judge(facts, &needs()).unwrap_err().to_string()
}

fn notes(facts: &Facts) -> Vec<String> {
    judge(facts, &needs())
        .unwrap()
        .notes
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_good_machine_passes_without_a_word() {
    let verdict = judge(&good(), &needs()).unwrap();
    assert_eq!(verdict.connections, 100_000);
    assert!(
        verdict.raises.is_empty() && verdict.notes.is_empty(),
        "{verdict:?}"
    );
}

#[test]
fn kernels_are_told_apart_by_version() {
    for old in ["5.15.0-91-generic", "6.0.19", "4.18.0-553.el8.x86_64"] {
        let text = refusal(&Facts {
            kernel: old.to_owned(),
            ..good()
        });
        assert!(text.contains(&format!("this is Linux {old}")), "{text}");
        assert!(text.contains("needs 6.1 or newer"), "{text}");
    }
    for waits in ["6.12.0", "6.18.44-fc-v657", "7.0", "10.1.2"] {
        assert!(
            notes(&Facts {
                kernel: waits.to_owned(),
                ..good()
            })
            .is_empty()
        );
    }
    for does_not_wait in ["6.1.0-13-amd64", "6.2", "6.11.9"] {
        let notes = notes(&Facts {
            kernel: does_not_wait.to_owned(),
            ..good()
        });
        assert!(
            notes[0].starts_with("note: server.minimum_wait has no effect"),
            "{notes:?}"
        );
        let off = Needs {
            minimum_wait: false,
            ..needs()
        };
        let facts = Facts {
            kernel: does_not_wait.to_owned(),
            ..good()
        };
        assert!(judge(&facts, &off).unwrap().notes.is_empty());
    }
    assert!(
        notes(&Facts {
            kernel: "custom".to_owned(),
            ..good()
        })[0]
            .contains("not a Linux version")
    );
}

#[test]
fn a_refused_ring_names_who_refuses_it() {
    let cases: [(Errno, u64, bool, &str); 12] = [
        (
            Errno::PERM,
            2,
            false,
            "kernel.io_uring_disabled is 2, which allows no process",
        ),
        (
            Errno::PERM,
            1,
            false,
            "kernel.io_uring_group to the daemon's group id",
        ),
        (Errno::PERM, 1, true, "sysctl kernel.io_uring_disabled is 1"),
        (Errno::PERM, 0, true, "seccomp filter"),
        (Errno::NOSYS, 0, true, "seccomp filter"),
        (Errno::ACCESS, 0, true, "seccomp filter"),
        (Errno::NOSYS, 0, false, "without CONFIG_IO_URING"),
        (Errno::ACCESS, 0, false, "SELinux"),
        (
            Errno::INVAL,
            0,
            false,
            "does not know io_uring's SINGLE_ISSUER",
        ),
        (Errno::NOMEM, 0, false, "LimitMEMLOCK="),
        (Errno::MFILE, 0, false, "LimitNOFILE="),
        (Errno::IO, 0, false, "Input/output error"),
    ];
    for (errno, disabled, seccomp_filter, expected) in cases {
        let text = refusal(&Facts {
            ring_error: Some(errno.raw_os_error()),
            io_uring_disabled: Some(disabled),
            seccomp_filter,
            ..good()
        });
        assert!(text.contains(expected), "{errno:?}: {text}");
    }
    // Kernels before 6.6 have no such sysctl.
    let ring_error = Some(Errno::PERM.raw_os_error());
    let text = refusal(&Facts {
        ring_error,
        io_uring_disabled: None,
        ..good()
    });
    assert!(text.contains("security module"), "{text}");
}

#[test]
fn a_soft_limit_on_locked_memory_is_raised_and_a_hard_one_refused() {
    let limit = |current, maximum| Rlimit { current, maximum };
    let low = Facts {
        memlock: limit(Some(65_536), Some(8 << 20)),
        ..good()
    };
    let verdict = judge(&low, &needs()).unwrap();
    assert_eq!(verdict.raises[0].to, Some(8 << 20));
    let unlimited = Facts {
        memlock: limit(Some(65_536), None),
        ..good()
    };
    assert_eq!(judge(&unlimited, &needs()).unwrap().raises[0].to, None);
    let text = refusal(&Facts {
        memlock: limit(Some(65_536), Some(65_536)),
        ..good()
    });
    assert!(
        text.contains("is 64KiB, and the rings need 512KiB"),
        "{text}"
    );
    assert!(
        text.contains("LimitMEMLOCK=") && text.contains("--ulimit memlock="),
        "{text}"
    );
}

#[test]
fn open_files_are_raised_then_bound_the_connections_then_refuse() {
    let limit = |soft, hard| Rlimit {
        current: Some(soft),
        maximum: Some(hard),
    };
    let raised = judge(
        &Facts {
            files: limit(1024, 524_288),
            ..good()
        },
        &needs(),
    )
    .unwrap();
    assert_eq!(raised.connections, 100_000);
    assert_eq!(raised.raises[0].to, Some(524_288));
    assert!(raised.notes.is_empty());

    let spare = SPARE_FILES_BASE + 4 * SPARE_FILES_PER_SHARD;
    let bounded = judge(
        &Facts {
            files: limit(4096, 4096),
            ..good()
        },
        &needs(),
    )
    .unwrap();
    assert_eq!(bounded.connections, 4 * (4096 - spare) * 7 / 8);
    let note = bounded.notes[0].to_string();
    assert!(
        note.contains("allows 13888 connections, fewer than limits.connections (100000)"),
        "{note}"
    );
    assert!(note.contains("LimitNOFILE to 28699"), "{note}");

    let few = Facts {
        files: limit(spare + 15, spare + 15),
        ..good()
    };
    assert!(refusal(&few).contains("allows fewer than 64 connections"));
    // An operator who wants ten may have ten.
    let ten = Needs {
        connections: 10,
        ..needs()
    };
    assert_eq!(judge(&few, &ten).unwrap().connections, 10);
}

#[test]
fn a_short_backlog_is_told() {
    let notes = notes(&Facts {
        somaxconn: Some(128),
        ..good()
    });
    assert!(notes[0].contains("net.core.somaxconn is 128"), "{notes:?}");
}

#[test]
fn the_filter_mode_is_read_from_the_status_file() {
    assert!(has_seccomp_filter(
        "NoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n"
    ));
    assert!(!has_seccomp_filter(
        "NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t2\n"
    ));
}

#[test]
fn this_machine_is_readable() {
    let facts = Facts::read();
    assert!(kernel_version(&facts.kernel).is_some(), "{facts:?}");
    assert!(facts.somaxconn.is_some(), "{facts:?}");
}
