package pacemaker.drive;

/** Paths of the shape that Storm uses, under topologies that no earlier run of a program has left on the server. */
public final class Paths {
    public static final String ROOT = "/workerbeats";

    private Paths() {
    }

    /** A topology id, {@code <name>-<n>-<number>}; Storm's number is in seconds, ours in ms so that two runs differ. */
    public static String topology(String name) {
        return name + "-1-" + System.currentTimeMillis();
    }

    public static String of(String topology) {
        return ROOT + "/" + topology;
    }

    /** The name of a worker's key: a supervisor's id and a port. */
    public static String worker(int number) {
        return String.format("5f0c1a52-9d0e-4c3b-8a43-%012x-127.0.0.1-%d", number / 4, 6700 + number % 4);
    }

    public static String of(String topology, int workerNumber) {
        return of(topology) + "/" + worker(workerNumber);
    }
}
