package pacemaker.zookeeper;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooDefs.Ids;

/** The sessions, and the run from the first dial to the last answer. */
final class Cluster {
    /** Nothing listens, or it is no ZooKeeper, or it went away before the start. */
    static final class NotThere extends Exception {
        NotThere(String message) {
            super(message);
        }
    }

    private final Options options;
    private final Plan plan;
    private final Tally tally;
    private final List<Session> sessions = new ArrayList<>();
    private Meter server;
    private Meter driver;

    Cluster(Options options, Plan plan, Tally tally) {
        this.options = options;
        this.plan = plan;
        this.tally = tally;
    }

    void run() throws NotThere, IOException, InterruptedException {
        Session nimbus = connect();
        makeTopologies(nimbus);
        Clock clock = new Clock(options.warmupUs, options.durationUs);
        Stage stage = new Stage(clock, tally);
        List<Worker> workers = new ArrayList<>();
        for (Plan.Line line : plan.workers()) {
            int index = workers.size();
            workers.add(new Worker(stage, sessions.get(index % sessions.size()), index, line));
        }
        List<Thread> beside = new ArrayList<>();
        driver = new Meter(clock, "self");
        beside.add(start("driver meter", driver));
        if (options.serverPid != 0) {
            server = new Meter(clock, Long.toString(options.serverPid));
            beside.add(start("server meter", server));
        }
        if (options.nimbus) {
            beside.add(start("nimbus", new Nimbus(stage, nimbus, workers)));
        }
        new Pulses(stage, workers, options.intervalUs).play();
        for (Thread thread : beside) {
            thread.join();
        }
        sessions.forEach(Session::closing);
        nimbus.closing();
    }

    Report report() {
        return new Report(options, plan, tally, server, driver);
    }

    /** Dials for the workers, and for Nimbus, whose session it returns. */
    private Session connect() throws NotThere, IOException, InterruptedException {
        Reachable.check(options.server);
        int wanted = options.sessions(plan.workers().size());
        System.err.println("zookeeper-load: " + wanted + " sessions to " + options.server);
        for (int session = 0; session < wanted; session++) {
            sessions.add(new Session(options.server, tally));
        }
        Session nimbus = new Session(options.server, tally);
        long untilNs = System.nanoTime() + Storm.CONNECT_WITHIN_MS * 1_000_000;
        int failed = nimbus.awaitConnected(untilNs) ? 0 : 1;
        for (Session session : sessions) {
            failed += session.awaitConnected(untilNs) ? 0 : 1;
        }
        if (failed > 0) {
            tally.errors(ErrorKind.CONNECT_FAILED, failed);
            throw new NotThere(options.server + ": " + failed + " of " + (wanted + 1)
                + " sessions did not stand after " + Storm.CONNECT_WITHIN_MS / 1000 + " s; expected all");
        }
        return nimbus;
    }

    /** The workers' parents. In a real cluster they are there before the workers. */
    private void makeTopologies(Session session) throws NotThere, InterruptedException {
        make(session, Plan.ROOT);
        for (String topology : plan.topologies()) {
            make(session, Plan.ROOT + "/" + topology);
        }
    }

    private void make(Session session, String path) throws NotThere, InterruptedException {
        try {
            session.client().create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        } catch (KeeperException.NodeExistsException there) {
            // Of an earlier run.
        } catch (KeeperException failed) {
            tally.error(ErrorKind.BAD_ANSWER, failed.code());
            throw new NotThere(options.server + ": create " + path + ": " + failed.code() + "; expected OK");
        }
    }

    private static Thread start(String name, Runnable part) {
        Thread thread = new Thread(part, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }
}
