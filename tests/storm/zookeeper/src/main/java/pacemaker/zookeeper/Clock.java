package pacemaker.zookeeper;

import java.util.concurrent.locks.LockSupport;

/** Microseconds since the start of the plan, and where in it the measured window lies. */
final class Clock {
    private final long startNs = System.nanoTime();
    final long windowUs;
    final long endUs;

    /** The plan starts now. */
    Clock(long warmupUs, long durationUs) {
        windowUs = warmupUs;
        endUs = warmupUs + durationUs;
    }

    long nowUs() {
        return (System.nanoTime() - startNs) / 1000;
    }

    boolean inWindow(long atUs) {
        return atUs >= windowUs && atUs < endUs;
    }

    void sleepUntil(long atUs) {
        for (long restUs = atUs - nowUs(); restUs > 0; restUs = atUs - nowUs()) {
            LockSupport.parkNanos(restUs * 1000);
        }
    }
}
