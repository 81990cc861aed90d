package pacemaker.zookeeper;

/** Storm's clients in numbers. Values are Storm's defaults; loadgen has the same. */
final class Storm {
    /** A pulse later than this is an error against a Pacemaker, so it is one here. */
    static final long LATE_AFTER_US = 1_000_000;
    /** After this a Pacemaker client gives up. */
    static final long GIVE_UP_AFTER_US = 11_000_000;
    /** {@code nimbus.monitor.freq.secs}. */
    static final long NIMBUS_PASS_EVERY_US = 10_000_000;
    /** {@code storm.zookeeper.session.timeout}. */
    static final int SESSION_TIMEOUT_MS = 20_000;
    /** {@code storm.zookeeper.connection.timeout}. */
    static final long CONNECT_WITHIN_MS = 15_000;

    private Storm() {
    }
}
