package pacemaker.zookeeper;

import java.util.concurrent.atomic.AtomicInteger;

/** What all parts of a run share. */
final class Stage {
    /** Stamped into every pulse: the server may still hold the pulses of another run. */
    final long run = System.nanoTime() ^ System.currentTimeMillis() << 20;
    final Clock clock;
    final Tally tally;
    /** Pulses without an answer, of all workers. */
    final AtomicInteger inFlight = new AtomicInteger();

    Stage(Clock clock, Tally tally) {
        this.clock = clock;
        this.tally = tally;
    }
}
