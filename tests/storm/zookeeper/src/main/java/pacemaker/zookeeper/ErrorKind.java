package pacemaker.zookeeper;

import java.util.Locale;

/** What can go wrong, from the cluster's point of view. The names are those of loadgen's report. */
enum ErrorKind {
    /** A session that did not come to stand before the start. */
    CONNECT_FAILED,
    /** A standing connection that the server or the network ended. */
    CONNECTION_LOST,
    /** A session that the server has given up; loadgen has none. */
    SESSION_EXPIRED,
    /** A request that was in flight, or waiting to be, on such a connection. */
    ABANDONED,
    /** A pulse that was overtaken by the next one before the one before it was answered. */
    UNSENT,
    /** Answered later than Storm's Pacemaker client waits before it sends again. */
    OVER_1S,
    /** Not answered within 11 s after the end. */
    UNANSWERED,
    /** An answer that a correct server does not give. */
    BAD_ANSWER,
    /** A read pulse that is not as it was sent. */
    CORRUPT,
    /** A read pulse that is older than the last one acknowledged before the read. */
    STALE,
    /** A read pulse of another worker. */
    FOREIGN,
    /** A read that found nothing where a pulse was acknowledged. */
    MISSING,
    /** A list without a topology of which a pulse was acknowledged. */
    LIST_INCOMPLETE;

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
