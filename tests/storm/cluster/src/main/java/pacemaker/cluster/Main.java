package pacemaker.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import pacemaker.client.PoolConnector;
import pacemaker.drive.Program;

/** Runs a real Storm cluster, in this process, against a Pacemaker server. */
public final class Main {
    private Main() {
    }

    public static void main(String[] arguments) throws IOException {
        // Storm leaves directories behind in the temporary directory; this one goes when the JVM ends.
        Path scratch = Files.createTempDirectory("storm-cluster-");
        System.setProperty("java.io.tmpdir", scratch.toString());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> Scratch.delete(scratch)));
        Program.run(arguments, new PoolConnector(), Map.of("cluster", new ClusterScenario(), "outages", new OutageScenario()));
    }
}
