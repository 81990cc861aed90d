package pacemaker.cluster;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import pacemaker.drive.Paths;
import pacemaker.drive.PulseClient;

/** What the server has of one topology, read again and again: how often has each worker's pulse changed? */
final class PulseWatch {
    private final PulseClient client;
    private final String topologyPath;
    private final Map<String, byte[]> latest = new TreeMap<>();
    private final Map<String, Integer> changes = new TreeMap<>();

    PulseWatch(PulseClient client, String topologyId) {
        this.client = client;
        topologyPath = Paths.of(topologyId);
    }

    /** Takes what the server has now as the state that changes are counted from. */
    void begin() throws Exception {
        changes.clear();
        latest.clear();
        for (String worker : client.list(topologyPath)) {
            latest.put(worker, client.getPulse(topologyPath + "/" + worker));
        }
    }

    /** Reads all pulses once; a pulse that was not there before counts as a change. */
    void read() throws Exception {
        for (String worker : client.list(topologyPath)) {
            byte[] details = client.getPulse(topologyPath + "/" + worker);
            if (details != null && !Arrays.equals(details, latest.put(worker, details))) {
                changes.merge(worker, 1, Integer::sum);
            }
        }
    }

    /** How many workers' pulses have changed at least that often since the beginning. */
    long changedAtLeast(int times) {
        return changes.values().stream().filter(count -> count >= times).count();
    }

    @Override
    public String toString() {
        return "pulses of " + latest.keySet() + ", changes " + changes;
    }
}
