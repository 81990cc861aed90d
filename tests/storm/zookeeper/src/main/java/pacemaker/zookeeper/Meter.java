package pacemaker.zookeeper;

/**
 * What a process uses in the measured window. Looks at both ends of it, on a thread of its own: a process
 * with hundreds of threads takes milliseconds to read.
 */
final class Meter implements Runnable {
    private final Clock clock;
    private final String process;
    private volatile ProcessUse atBegin;
    private volatile ProcessUse atEnd;
    private volatile long measuredUs;

    Meter(Clock clock, String process) {
        this.clock = clock;
        this.process = process;
    }

    @Override
    public void run() {
        clock.sleepUntil(clock.windowUs);
        long beganUs = clock.nowUs();
        atBegin = ProcessUse.of(process);
        clock.sleepUntil(clock.endUs);
        measuredUs = clock.nowUs() - beganUs;
        atEnd = ProcessUse.of(process);
    }

    /** Whether the process was there at both ends. */
    boolean measured() {
        return atBegin != null && atEnd != null;
    }

    double cpuUs() {
        return atEnd.cpuNsSince(atBegin) / 1e3;
    }

    /** In cores. */
    double busy() {
        return cpuUs() / measuredUs;
    }

    ProcessUse atEnd() {
        return atEnd;
    }
}
