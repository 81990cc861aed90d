package pacemaker.cluster;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.storm.LocalCluster;
import org.apache.storm.generated.KillOptions;
import pacemaker.client.PoolConnector;
import pacemaker.drive.Context;
import pacemaker.drive.Expect;
import pacemaker.drive.Handshake;
import pacemaker.drive.Options;
import pacemaker.drive.Paths;
import pacemaker.drive.PulseClient;
import pacemaker.drive.Retry;
import pacemaker.drive.Scenario;

/**
 * Nimbus, two supervisors and a few workers keep their pulses in a Pacemaker server, which restarts
 * under them, or moves, once or {@code --restarts} times: the pulses must come back and no worker may be taken for dead.
 *
 * <p>Says WORKERS n, CHANGING; for each restart says READY, hears RESTARTING, says QUIET, hears UP, says BACK, KEPT; says
 * REMOVED.
 * The timeouts are shorter than Storm's own: an executor counts as dead after 10 s without a new pulse instead
 * of 30 s, looked at every 2 s instead of 10 s, once it is 15 s old instead of 120 s. That makes the run shorter
 * and the test harder. With --brief there is no restart, and CHANGING, SEEN, REMOVED is all.
 */
public final class ClusterScenario implements Scenario {
    static final String NAME = "counter";
    private static final int SUPERVISORS = 2;
    private static final int PORTS_PER_SUPERVISOR = 2;
    private static final int MONITOR_SECONDS = 2;
    private static final int LAUNCH_SECONDS = 15;
    private static final int POLL_MS = 200;

    @Override
    public int deadlineSeconds() {
        return 180;
    }

    @Override
    public void run(Context context) throws Exception {
        Handshake handshake = context.handshake();
        handshake.listen();
        Options options = context.options();
        int workers = options.number(Options.WORKERS, 3);
        int taskTimeoutSeconds = options.number(Options.TASK_TIMEOUT_SECONDS, 10);
        Map<String, Object> conf = conf(options, taskTimeoutSeconds);
        try (LocalCluster cluster = start(conf); PulseClient client = context.connect()) {
            Expect.that(cluster.getClusterState().isPacemakerStateStore(), "a cluster that keeps its pulses in Pacemaker");
            submit(cluster, conf, workers);
            String topologyId = cluster.getTopologySummaryByName(NAME).get_id();
            awaitPulses(handshake, client, topologyId, workers);
            if (options.has(Options.BRIEF)) {
                awaitUptime(cluster, topologyId, 0);
                handshake.say("SEEN");
                remove(handshake, cluster, client, topologyId);
                return;
            }
            for (int restart = 0; restart < options.number(Options.RESTARTS, 1); restart++) {
                Placement placement = settle(handshake, cluster, client, topologyId, workers);
                restart(context, client, topologyId, workers);
                // Long enough for Nimbus to find an executor dead and to act on it, if it ever will.
                int watchSeconds = options.number(Options.WATCH_SECONDS, taskTimeoutSeconds + 4 * MONITOR_SECONDS);
                watch(client, topologyId, workers, placement, watchSeconds);
                handshake.say("KEPT " + workers + " workers, watched " + watchSeconds + "s");
            }
            remove(handshake, cluster, client, topologyId);
        }
    }

    private static Map<String, Object> conf(Options options, int taskTimeoutSeconds) {
        Map<String, Object> conf = new HashMap<>(PoolConnector.settings(options.hosts(), options.port(), options.login()));
        conf.put("storm.cluster.state.store", "org.apache.storm.cluster.PaceMakerStateStorageFactory");
        conf.put("nimbus.task.timeout.secs", taskTimeoutSeconds);
        conf.put("nimbus.task.launch.secs", LAUNCH_SECONDS);
        conf.put("nimbus.monitor.freq.secs", MONITOR_SECONDS);
        return conf;
    }

    static LocalCluster start(Map<String, Object> conf) throws Exception {
        return new LocalCluster.Builder()
            .withDaemonConf(conf)
            .withSupervisors(SUPERVISORS)
            .withPortsPerSupervisor(PORTS_PER_SUPERVISOR)
            .build();
    }

    static void submit(LocalCluster cluster, Map<String, Object> conf, int workers) throws Exception {
        Map<String, Object> topologyConf = new HashMap<>(conf);
        topologyConf.put("topology.workers", workers);
        cluster.submitTopology(NAME, topologyConf, CounterTopology.build(workers));
    }

    /** Waits until every worker pulses, again and again. */
    private static void awaitPulses(Handshake handshake, PulseClient client, String topologyId, int workers) throws Exception {
        while (client.list(Paths.of(topologyId)).size() < workers) {
            Thread.sleep(POLL_MS);
        }
        handshake.say("WORKERS " + workers);
        PulseWatch pulses = new PulseWatch(client, topologyId);
        pulses.begin();
        awaitChanges(pulses, workers, 2);
        handshake.say("CHANGING");
    }

    /** Waits until Nimbus has seen it of all that they have been up for more than {@code seconds}. */
    private static Placement awaitUptime(LocalCluster cluster, String topologyId, int seconds) throws Exception {
        Placement placement = new Placement(cluster, topologyId);
        while (placement.shortestUptimeSeconds() <= seconds) {
            Thread.sleep(POLL_MS);
            placement = new Placement(cluster, topologyId);
        }
        return placement;
    }

    /** Returns what must stay as it is. */
    private static Placement settle(Handshake handshake, LocalCluster cluster, PulseClient client, String topologyId, int workers)
        throws Exception {
        // Younger executors are never taken for dead, so a restart among them would show nothing.
        Placement placement = awaitUptime(cluster, topologyId, LAUNCH_SECONDS);
        Expect.equal("workers with pulses", workers, client.list(Paths.of(topologyId)).size());
        handshake.say("READY");
        return placement;
    }

    private static void restart(Context context, PulseClient client, String topologyId, int workers) throws Exception {
        Handshake handshake = context.handshake();
        handshake.await("RESTARTING");
        // From now until UP this program itself asks nothing: see Reconnect.
        handshake.say("QUIET");
        handshake.await("UP");
        long upAt = System.nanoTime();
        PulseWatch pulses = new PulseWatch(client, topologyId);
        Retry.untilAnswered(pulses::begin);
        Retry.untilAnswered(() -> awaitChanges(pulses, workers, 1));
        long tookMs = sinceMs(upAt);
        handshake.say("BACK " + tookMs + "ms");
        int withinMs = context.options().number(Options.WITHIN_MS, 10_000);
        Expect.that(tookMs <= withinMs, "a new pulse of every worker within " + withinMs + " ms of UP, took " + tookMs + " ms");
    }

    private static void watch(PulseClient client, String topologyId, int workers, Placement placement, int seconds) throws Exception {
        PulseWatch pulses = new PulseWatch(client, topologyId);
        pulses.begin();
        long begin = System.nanoTime();
        while (sinceMs(begin) < seconds * 1000L) {
            placement.checkUnmoved();
            placement.checkUptimesGrow();
            pulses.read();
            Thread.sleep(POLL_MS);
        }
        Expect.that(pulses.changedAtLeast(2) == workers, "pulses of " + workers + " workers that go on changing, came " + pulses);
        Expect.that(placement.shortestUptimeSeconds() >= seconds / 2,
            "executors that have been up all the time, shortest uptime came " + placement.shortestUptimeSeconds() + " s");
    }

    private static void remove(Handshake handshake, LocalCluster cluster, PulseClient client, String topologyId) throws Exception {
        KillOptions soon = new KillOptions();
        soon.set_wait_secs(1);
        long begin = System.nanoTime();
        cluster.killTopologyWithOpts(NAME, soon);
        while (!client.list(Paths.of(topologyId)).isEmpty() || client.list(Paths.ROOT).contains(topologyId)) {
            Thread.sleep(POLL_MS);
        }
        handshake.say("REMOVED " + sinceMs(begin) + "ms");
    }

    /** The watchdog bounds the wait. */
    private static void awaitChanges(PulseWatch pulses, int workers, int times) throws Exception {
        while (pulses.changedAtLeast(times) < workers) {
            Thread.sleep(POLL_MS);
            pulses.read();
        }
    }

    private static long sinceMs(long instant) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - instant);
    }
}
