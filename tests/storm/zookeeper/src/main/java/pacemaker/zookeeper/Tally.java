package pacemaker.zookeeper;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;
import org.apache.zookeeper.KeeperException;

/** What all threads have seen. Counts and times are those of the window, errors those of the whole run. */
final class Tally {
    final LongAdder planned = new LongAdder();
    final LongAdder sent = new LongAdder();
    final LongAdder acknowledged = new LongAdder();
    /** From a pulse's planned instant to its answer. */
    final Times pulse = new Times();
    /** From a pulse's planned instant to when the client had it, unless an earlier pulse held it up. */
    final Times lateness = new Times();
    final Times get = new Times();
    final Times list = new Times();
    /** A whole reading pass of Nimbus. */
    final Times pass = new Times();
    private final AtomicLongArray errors = new AtomicLongArray(ErrorKind.values().length);
    private final Map<String, Long> reasons = new ConcurrentHashMap<>();

    void error(ErrorKind kind) {
        errors.incrementAndGet(kind.ordinal());
    }

    void error(ErrorKind kind, KeeperException.Code reason) {
        error(kind);
        reasons.merge(kind.label() + ": " + reason, 1L, Long::sum);
    }

    void errors(ErrorKind kind, long count) {
        errors.addAndGet(kind.ordinal(), count);
    }

    long errors(ErrorKind kind) {
        return errors.get(kind.ordinal());
    }

    /** Why requests failed, in ZooKeeper's words. */
    Map<String, Long> reasons() {
        return new TreeMap<>(reasons);
    }
}
