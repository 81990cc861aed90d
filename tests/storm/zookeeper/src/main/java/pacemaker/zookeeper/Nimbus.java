package pacemaker.zookeeper;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.data.Stat;

/**
 * Nimbus as a reader: every 10 s it lists the topologies and then gets one worker's pulse after another, the
 * next one when the last answer is there. All it reads is judged.
 */
final class Nimbus implements Runnable {
    private final Stage stage;
    private final Session session;
    private final List<Worker> workers;

    Nimbus(Stage stage, Session session, List<Worker> workers) {
        this.stage = stage;
        this.session = session;
        this.workers = workers;
    }

    @Override
    public void run() {
        Clock clock = stage.clock;
        long passUs = 0;
        while (passUs < clock.endUs) {
            clock.sleepUntil(passUs);
            if (!pass()) {
                return;
            }
            // A pass that took longer is followed by the next one at once.
            passUs = Math.max(passUs + Storm.NIMBUS_PASS_EVERY_US, clock.nowUs());
        }
    }

    /** Returns whether it came to its end before the plan did. */
    private boolean pass() {
        long beganUs = stage.clock.nowUs();
        list();
        for (int worker = 0; worker < workers.size(); worker++) {
            if (stage.clock.nowUs() >= stage.clock.endUs) {
                return false;
            }
            get(worker);
        }
        if (stage.clock.inWindow(beganUs)) {
            stage.tally.pass.record(stage.clock.nowUs() - beganUs);
        }
        return true;
    }

    private void list() {
        Set<String> expected = new HashSet<>();
        for (Worker worker : workers) {
            if (worker.acknowledged() > 0) {
                expected.add(worker.line().topology());
            }
        }
        ask(stage.tally.list, () -> {
            // It may hold more, of other clusters or of earlier runs.
            Set<String> listed = new HashSet<>(session.client().getChildren(Plan.ROOT, false));
            return listed.containsAll(expected) ? null : ErrorKind.LIST_INCOMPLETE;
        });
    }

    private void get(int index) {
        Worker worker = workers.get(index);
        int acknowledged = worker.acknowledged();
        ask(stage.tally.get, () -> {
            try {
                byte[] details = session.client().getData(worker.line().key(), false, (Stat) null);
                return Payload.judge(details, stage.run, index, acknowledged);
            } catch (KeeperException.NoNodeException nothing) {
                return acknowledged > 0 ? ErrorKind.MISSING : null;
            }
        });
    }

    private interface Question {
        /** Null if the answer can be true. */
        ErrorKind ask() throws KeeperException, InterruptedException;
    }

    private void ask(Times times, Question question) {
        long askedUs = stage.clock.nowUs();
        try {
            ErrorKind wrong = question.ask();
            if (wrong != null) {
                stage.tally.error(wrong);
            }
        } catch (KeeperException failed) {
            stage.tally.error(kind(failed.code()), failed.code());
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
        long tookUs = stage.clock.nowUs() - askedUs;
        if (tookUs > Storm.LATE_AFTER_US) {
            stage.tally.error(ErrorKind.OVER_1S);
        }
        if (stage.clock.inWindow(askedUs)) {
            times.record(tookUs);
        }
    }

    private static ErrorKind kind(Code code) {
        return switch (code) {
            case CONNECTIONLOSS, SESSIONEXPIRED -> ErrorKind.ABANDONED;
            case REQUESTTIMEOUT -> ErrorKind.UNANSWERED;
            default -> ErrorKind.BAD_ANSWER;
        };
    }
}
