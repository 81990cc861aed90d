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
        own_descriptors: true,
        may_lock_memory: false,
        io_uring_disabled: Some(0),
        seccomp_filter: false,
        memlock: limit(8 << 20),
        files: limit(1 << 20),
        somaxconn: Some(4096),
    }
}

fn needs() -> Needs {
    Needs {
        io: Io::IoUring,
        connections: 100_000,
        shards: 4,
    }
}

/// The data plane and the notes under `server.io = "auto"`.
fn chosen(facts: &Facts) -> (DataPlane, Vec<String>) {
    let needs = Needs {
        io: Io::Auto,
        ..needs()
    };
    let verdict = judge(facts, &needs).unwrap();
    let notes = verdict.notes.iter().map(ToString::to_string);
    (verdict.plane, notes.collect())
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

/// A ring that works is used whatever the kernel calls itself, and the version only words a refusal.
#[test]
fn the_trial_decides_and_not_the_version() {
    for kernel in ["2.6.78", "5.14.0-427.el9", "6.12.0", "custom"] {
        let facts = Facts {
            kernel: kernel.to_owned(),
            ..good()
        };
        assert_eq!(chosen(&facts), (DataPlane::IoUring, vec![]), "{kernel}");
    }
    for (kernel, expected) in [
        ("5.10.0-32-amd64", "this is Linux 5.10.0-32-amd64"),
        ("6.0.19", "need 6.1"),
        ("6.12.0", "does not know io_uring's SINGLE_ISSUER"),
    ] {
        let text = refusal(&Facts {
            kernel: kernel.to_owned(),
            ring_error: Some(Errno::INVAL.raw_os_error()),
            ..good()
        });
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn without_io_uring_epoll_is_used_and_one_line_says_why() {
    for errno in [
        Errno::NOSYS,
        Errno::PERM,
        Errno::ACCESS,
        Errno::INVAL,
        Errno::IO,
    ] {
        let facts = Facts {
            ring_error: Some(errno.raw_os_error()),
            ..good()
        };
        let (plane, notes) = chosen(&facts);
        assert_eq!(plane, DataPlane::Epoll);
        assert!(notes[0].contains("using epoll, not io_uring"), "{notes:?}");
        let why = judge(&facts, &needs()).unwrap_err().to_string();
        assert!(notes[0].ends_with(&why), "{notes:?}");
        assert_eq!(notes.len(), 1);
    }
    // What epoll would lack, too.
    for errno in [Errno::MFILE, Errno::NFILE] {
        let facts = Facts {
            ring_error: Some(errno.raw_os_error()),
            ..good()
        };
        let auto = Needs {
            io: Io::Auto,
            ..needs()
        };
        assert!(judge(&facts, &auto).is_err(), "{errno:?}");
    }
    // With epoll configured, the limits of a ring do not matter.
    let facts = Facts {
        ring_error: Some(Errno::NOSYS.raw_os_error()),
        memlock: Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
        ..good()
    };
    let epoll = Needs {
        io: Io::Epoll,
        ..needs()
    };
    let verdict = judge(&facts, &epoll).unwrap();
    assert_eq!(verdict.plane, DataPlane::Epoll);
    assert!(verdict.notes.is_empty());
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
        (
            Errno::NOMEM,
            0,
            false,
            "locked memory, 8MiB. Set LimitMEMLOCK=4194304",
        ),
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
fn a_limit_on_locked_memory_that_is_too_low_is_named_with_what_to_set() {
    let limited = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    let tiny = Facts {
        memlock: limited(65_536),
        ..good()
    };
    let text = refusal(&tiny);
    assert!(
        text.contains("is 64KiB, and the rings need 512KiB"),
        "{text}"
    );
    assert!(
        text.contains("LimitMEMLOCK=") && text.contains("--ulimit memlock="),
        "{text}"
    );
    let (plane, notes) = chosen(&tiny);
    assert_eq!(plane, DataPlane::Epoll);
    assert!(notes[0].starts_with("warning: "), "{notes:?}");

    let no_room = Facts {
        ring_error: Some(Errno::NOMEM.raw_os_error()),
        memlock: limited(1 << 20),
        ..good()
    };
    let text = refusal(&no_room);
    assert!(text.contains("1MiB. Set LimitMEMLOCK=4194304"), "{text}");
    assert_eq!(chosen(&no_room).0, DataPlane::Epoll);

    // With CAP_IPC_LOCK, or without a limit, it is memory that is missing.
    for other in [
        Facts {
            may_lock_memory: true,
            ..no_room.clone()
        },
        Facts {
            memlock: Rlimit {
                current: None,
                maximum: None,
            },
            ..no_room
        },
    ] {
        assert!(refusal(&other).contains("control group is out of memory"));
        let auto = Needs {
            io: Io::Auto,
            ..needs()
        };
        assert!(judge(&other, &auto).is_err());
    }
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
    let facts_with = |files| Facts {
        files: limit(files, files),
        ..good()
    };
    let bounded = judge(&facts_with(4096), &needs()).unwrap();
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
    // Where the kernel keeps all shards in one table, the limit is for all of them.
    let shared = Facts {
        own_descriptors: false,
        ..facts_with(4096)
    };
    let bounded = judge(&shared, &needs()).unwrap();
    assert_eq!(bounded.connections, 4096 - spare);
    assert!(!bounded.notes[0].to_string().contains("per shard"));
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
    let facts = Facts::read(&needs());
    assert!(kernel_version(&facts.kernel).is_some(), "{facts:?}");
    assert!(facts.somaxconn.is_some(), "{facts:?}");
}
