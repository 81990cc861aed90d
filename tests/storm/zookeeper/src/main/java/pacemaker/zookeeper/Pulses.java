package pacemaker.zookeeper;

import java.util.List;
import java.util.PriorityQueue;

/**
 * Plays the plan: an open loop on one thread. What is late is handed over late and counted from its planned
 * instant; nothing is skipped because the server, or this program, is behind.
 */
final class Pulses {
    private static final int WORKER_BITS = 20;

    private final Stage stage;
    private final List<Worker> workers;
    private final long intervalUs;
    /** Planned instant and worker of each worker's next pulse, packed into one number that sorts by instant. */
    private final PriorityQueue<Long> due = new PriorityQueue<>();

    Pulses(Stage stage, List<Worker> workers, long intervalUs) {
        this.stage = stage;
        this.workers = workers;
        this.intervalUs = intervalUs;
        for (int worker = 0; worker < workers.size(); worker++) {
            due.add(workers.get(worker).line().firstPulseUs() << WORKER_BITS | worker);
        }
    }

    /** Returns when every pulse has its answer, or has been given up. */
    void play() {
        Clock clock = stage.clock;
        long lastUs = clock.endUs + Storm.GIVE_UP_AFTER_US;
        while (due.peek() >> WORKER_BITS < clock.endUs) {
            long next = due.poll();
            long plannedUs = next >> WORKER_BITS;
            Worker worker = workers.get((int) next & Plan.MOST_WORKERS - 1);
            clock.sleepUntil(plannedUs);
            if (clock.nowUs() < lastUs) {
                worker.due(plannedUs);
            } else {
                worker.missed(plannedUs);
            }
            due.add(next + (intervalUs << WORKER_BITS));
        }
        while (stage.inFlight.get() > 0 && clock.nowUs() < lastUs) {
            clock.sleepUntil(Math.min(lastUs, clock.nowUs() + 1000));
        }
        workers.forEach(Worker::giveUp);
    }
}
