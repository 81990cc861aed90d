package pacemaker.zookeeper;

import org.apache.zookeeper.AsyncCallback.StatCallback;
import org.apache.zookeeper.AsyncCallback.StringCallback;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/**
 * One simulated worker: a znode, written at the planned instants, one write at a time. A pulse that is due
 * while the one before it has no answer waits for that answer, and is lost when the next one is due first.
 */
final class Worker {
    private static final long NONE = -1;

    private final Stage stage;
    private final Session session;
    private final int index;
    private final Plan.Line line;
    private final StatCallback written = (code, path, context, stat) -> answered(Code.get(code));
    private final StringCallback made = (code, path, context, name) -> answered(Code.get(code));

    private boolean exists;
    /** Of the last pulse, from 1 on. */
    private int sequence;
    /** The planned instant of the pulse that has no answer yet. */
    private long inFlightUs = NONE;
    /** The planned instant of the pulse that waits for that answer. */
    private long heldUs = NONE;
    private boolean over;
    private volatile int acknowledged;

    Worker(Stage stage, Session session, int index, Plan.Line line) {
        this.stage = stage;
        this.session = session;
        this.index = index;
        this.line = line;
    }

    Plan.Line line() {
        return line;
    }

    /** The last sequence number that the server has acknowledged; 0 is none. */
    int acknowledged() {
        return acknowledged;
    }

    /** A pulse's planned instant has come. */
    synchronized void due(long plannedUs) {
        plan(plannedUs);
        if (inFlightUs != NONE) {
            if (heldUs != NONE) {
                stage.tally.error(ErrorKind.UNSENT);
            }
            heldUs = plannedUs;
            return;
        }
        send(plannedUs);
        if (stage.clock.inWindow(plannedUs)) {
            stage.tally.lateness.record(stage.clock.nowUs() - plannedUs);
        }
    }

    /** A pulse's planned instant has gone by, and the driver did not come to it. */
    void missed(long plannedUs) {
        plan(plannedUs);
        stage.tally.error(ErrorKind.UNSENT);
    }

    /** The run is over: what has no answer gets none. */
    synchronized void giveUp() {
        over = true;
        if (inFlightUs != NONE) {
            stage.tally.error(ErrorKind.UNANSWERED);
            recordResponse();
            settle();
        }
        if (heldUs != NONE) {
            stage.tally.error(ErrorKind.UNSENT);
        }
    }

    private void plan(long plannedUs) {
        if (stage.clock.inWindow(plannedUs)) {
            stage.tally.planned.increment();
        }
    }

    private void send(long plannedUs) {
        sequence++;
        inFlightUs = plannedUs;
        stage.inFlight.incrementAndGet();
        if (stage.clock.inWindow(plannedUs)) {
            stage.tally.sent.increment();
        }
        request();
    }

    private void request() {
        ZooKeeper client = session.client();
        byte[] details = Payload.of(stage.run, index, sequence, line.payloadBytes());
        if (exists) {
            client.setData(line.key(), details, -1, written, null);
        } else {
            client.create(line.key(), details, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, made, null);
        }
    }

    private synchronized void answered(Code code) {
        if (over) {
            return;
        }
        switch (code) {
            case OK -> {
                exists = true;
                acknowledged = sequence;
                recordResponse();
                if (stage.clock.inWindow(inFlightUs)) {
                    stage.tally.acknowledged.increment();
                }
                if (stage.clock.nowUs() - inFlightUs > Storm.LATE_AFTER_US) {
                    stage.tally.error(ErrorKind.OVER_1S);
                }
            }
            case NODEEXISTS -> {
                // Left by an earlier run, or made by a pulse whose answer was lost.
                exists = true;
                request();
                return;
            }
            case CONNECTIONLOSS, SESSIONEXPIRED, REQUESTTIMEOUT -> stage.tally.error(ErrorKind.ABANDONED, code);
            default -> stage.tally.error(ErrorKind.BAD_ANSWER, code);
        }
        settle();
        if (heldUs != NONE) {
            long plannedUs = heldUs;
            heldUs = NONE;
            send(plannedUs);
        }
    }

    private void settle() {
        inFlightUs = NONE;
        stage.inFlight.decrementAndGet();
    }

    private void recordResponse() {
        if (stage.clock.inWindow(inFlightUs)) {
            stage.tally.pulse.record(stage.clock.nowUs() - inFlightUs);
        }
    }
}
