import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.storm.generated.BoltStats;
import org.apache.storm.generated.ClusterWorkerHeartbeat;
import org.apache.storm.generated.ExecutorInfo;
import org.apache.storm.generated.ExecutorSpecificStats;
import org.apache.storm.generated.ExecutorStats;
import org.apache.storm.generated.GlobalStreamId;
import org.apache.storm.generated.SpoutStats;
import org.apache.storm.serialization.GzipThriftSerializationDelegate;

/**
 * Writes to standard output what a worker of a word count sends: a heartbeat as Storm's own classes and
 * its default serializer make it.
 *
 * <p>Run as it stands, on the class path of a release: {@code java -cp "$(cat
 * target/classpath/2.8.3.txt)" heartbeat/WriteHeartbeat.java}.
 */
public final class WriteHeartbeat {
    private static final String[] WINDOWS = {"600", "10800", "86400", ":all-time"};

    public static void main(String[] arguments) {
        Map<ExecutorInfo, ExecutorStats> executors = new LinkedHashMap<>();
        executors.put(new ExecutorInfo(1, 1), spout());
        executors.put(new ExecutorInfo(2, 3), bolt());
        // An executor that has just started has no statistics yet.
        executors.put(new ExecutorInfo(4, 4), new ExecutorStats(Map.of(), Map.of(), nothing(), 0.0));
        ClusterWorkerHeartbeat heartbeat =
                new ClusterWorkerHeartbeat("wordcount-1-1764115200", executors, 1764119999, 4790);
        GzipThriftSerializationDelegate delegate = new GzipThriftSerializationDelegate();
        delegate.prepare(new HashMap<>());
        byte[] bytes = delegate.serialize(heartbeat);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }

    private static ExecutorStats spout() {
        SpoutStats stats = new SpoutStats(
                inWindows("default", 4000L, "__ack_ack", 0L),
                inWindows("default", 3L),
                inWindows("default", 12.25));
        return new ExecutorStats(
                inWindows("default", 4020L, "__metrics", 20L),
                inWindows("default", 8040L),
                ExecutorSpecificStats.spout(stats),
                0.05);
    }

    private static ExecutorStats bolt() {
        GlobalStreamId stream = new GlobalStreamId("sentences", "default");
        BoltStats stats = new BoltStats(
                inWindows(stream, 4000L),
                inWindows(stream, 0L),
                inWindows(stream, 0.125),
                inWindows(stream, 4010L),
                inWindows(stream, 0.0625));
        return new ExecutorStats(
                inWindows("default", 40000L),
                inWindows("default", 40000L),
                ExecutorSpecificStats.bolt(stats),
                1.0);
    }

    private static ExecutorSpecificStats nothing() {
        return ExecutorSpecificStats.bolt(new BoltStats(Map.of(), Map.of(), Map.of(), Map.of(), Map.of()));
    }

    /** The same counts in every window, in the order in which they are given. */
    @SuppressWarnings("unchecked")
    private static <K, V> Map<String, Map<K, V>> inWindows(Object... keysAndValues) {
        Map<K, V> counts = new LinkedHashMap<>();
        for (int index = 0; index < keysAndValues.length; index += 2) {
            counts.put((K) keysAndValues[index], (V) keysAndValues[index + 1]);
        }
        Map<String, Map<K, V>> windows = new LinkedHashMap<>();
        for (String window : WINDOWS) {
            windows.put(window, counts);
        }
        return windows;
    }
}
