package pacemaker.cluster;

import java.lang.reflect.Field;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.storm.LocalCluster;
import org.apache.storm.ProcessSimulator;
import org.apache.storm.StormTimer;
import org.apache.storm.daemon.Shutdownable;
import pacemaker.client.PoolConnector;
import pacemaker.drive.Context;
import pacemaker.drive.Expect;
import pacemaker.drive.Handshake;
import pacemaker.drive.Options;
import pacemaker.drive.Scenario;

/**
 * Nimbus, two supervisors and four workers, whose Pacemaker server goes away for a while, again and again: which
 * executors does Nimbus move? Storm's own timeouts but for two. An executor may be taken for dead once it is 10 s old, or
 * nothing could fail. And a new Nimbus waits 5 s for heartbeats of workers, not 600 s.
 *
 * <p>Hears what to do, until END:
 * <ul>
 * <li>SETTLE: waits until every worker has been up for long enough, and says READY.
 * <li>DIE: one worker sends no pulse from now on, as if it were dead. Says DEAD.
 * <li>WATCH n: for n seconds, compares where the executors are with where they were at READY. Says KEPT n, or as soon as
 * some are elsewhere, or were started anew, MOVED k of n.
 * </ul>
 */
public final class OutageScenario implements Scenario {
    private static final int WORKERS = 4;
    private static final int LAUNCH_SECONDS = 10;
    private static final int NIMBUS_READS_SECONDS = 10;
    private static final int POLL_MS = 200;
    /** Nimbus moves executors in more than one pass. */
    private static final int COUNT_AFTER_MS = 3000;

    @Override
    public int deadlineSeconds() {
        return 240;
    }

    @Override
    public void run(Context context) throws Exception {
        Handshake handshake = context.handshake();
        handshake.listen();
        Map<String, Object> conf = conf(context.options());
        try (LocalCluster cluster = ClusterScenario.start(conf)) {
            ClusterScenario.submit(cluster, conf, WORKERS);
            String topologyId = cluster.getTopologySummaryByName(ClusterScenario.NAME).get_id();
            Placement placement = null;
            for (String line = handshake.next(); !line.equals("END"); line = handshake.next()) {
                String[] words = line.split(" ");
                switch (words[0]) {
                    case "SETTLE" -> {
                        placement = settle(cluster, topologyId);
                        handshake.say("READY");
                    }
                    case "DIE" -> {
                        silenceOneWorker();
                        handshake.say("DEAD");
                    }
                    case "WATCH" -> handshake.say(watch(placement, Integer.parseInt(words[1])));
                    default -> Expect.that(false, "SETTLE, DIE, WATCH or END on stdin, came " + line);
                }
            }
        }
    }

    private static Map<String, Object> conf(Options options) {
        Map<String, Object> conf = new HashMap<>(PoolConnector.settings(options.hosts(), options.port(), options.login()));
        conf.put("storm.cluster.state.store", "org.apache.storm.cluster.PaceMakerStateStorageFactory");
        conf.put("nimbus.task.launch.secs", LAUNCH_SECONDS);
        conf.put("supervisor.worker.heartbeats.max.timeout.secs", 5);
        return conf;
    }

    /** The watchdog bounds the wait. */
    private static Placement settle(LocalCluster cluster, String topologyId) throws Exception {
        while (true) {
            if (cluster.getClusterState().assignmentInfo(topologyId, null) != null) {
                try {
                    Placement placement = new Placement(cluster, topologyId);
                    if (placement.slots() == WORKERS && placement.shortestUptimeSeconds() > LAUNCH_SECONDS + NIMBUS_READS_SECONDS) {
                        return placement;
                    }
                } catch (Expect.Failed nothingAssigned) {
                    // Not yet.
                }
            }
            Thread.sleep(POLL_MS);
        }
    }

    private static String watch(Placement placement, int seconds) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (System.nanoTime() < end) {
            if (placement.moved() > 0) {
                Thread.sleep(COUNT_AFTER_MS);
                return "MOVED " + placement.moved() + " of " + placement.executors();
            }
            Thread.sleep(POLL_MS);
        }
        return "KEPT " + placement.executors();
    }

    /**
     * Ends the timer that sends a worker's pulses. A worker of a LocalCluster cannot be killed: it deletes its own
     * heartbeat as it ends, and its supervisor starts it anew.
     */
    private static void silenceOneWorker() throws Exception {
        Shutdownable worker = ProcessSimulator.getAllProcessHandles().iterator().next();
        StormTimer timer = (StormTimer) field(field(worker, "workerState"), "executorHeartbeatTimer");
        timer.close();
    }

    private static Object field(Object object, String name) throws ReflectiveOperationException {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }
}
