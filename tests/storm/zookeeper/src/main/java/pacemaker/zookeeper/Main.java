package pacemaker.zookeeper;

import java.io.IOException;

/** Plays a plan of heartbeats against a ZooKeeper server, and prints what came of it. */
public final class Main {
    /** Exit codes. */
    private static final int WELL = 0;
    private static final int ERRORS = 1;
    private static final int USAGE = 2;
    /** What a run may take beside its plan: to connect, to make topologies, to wait for the last answers. */
    private static final long GRACE_MS = 90_000;

    private Main() {
    }

    public static void main(String[] arguments) throws InterruptedException {
        // Not exit: closing hundreds of sessions takes a server that answers, and nobody is to wait for that.
        Runtime.getRuntime().halt(run(arguments));
    }

    private static int run(String[] arguments) throws InterruptedException {
        if (arguments.length == 1 && arguments[0].equals("--help")) {
            System.out.print(Options.HELP);
            return WELL;
        }
        Options options;
        Plan plan;
        try {
            options = new Options(arguments);
            plan = Plan.read(options.plan);
        } catch (Usage wrong) {
            System.err.println("zookeeper-load: " + wrong.getMessage());
            return USAGE;
        } catch (IOException unreadable) {
            System.err.println("zookeeper-load: --plan: " + unreadable + "; expected a readable text file");
            return USAGE;
        }
        Watchdog.start((options.warmupUs + options.durationUs) / 1000 + GRACE_MS);
        Tally tally = new Tally();
        Cluster cluster = new Cluster(options, plan, tally);
        try {
            cluster.run();
        } catch (Cluster.NotThere notThere) {
            System.err.println("zookeeper-load: " + notThere.getMessage());
            if (tally.errors(ErrorKind.CONNECT_FAILED) == 0) {
                tally.error(ErrorKind.CONNECT_FAILED);
            }
        } catch (IOException failed) {
            System.err.println("zookeeper-load: " + failed + "; expected to open a session");
            tally.error(ErrorKind.CONNECT_FAILED);
        }
        Report report = cluster.report();
        System.out.println(report.json());
        System.out.flush();
        return report.passed() ? WELL : ERRORS;
    }
}
