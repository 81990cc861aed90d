package pacemaker.cluster;

import java.util.Map;
import java.util.TreeMap;
import org.apache.storm.LocalCluster;
import org.apache.storm.generated.Assignment;
import org.apache.storm.generated.ExecutorSummary;
import pacemaker.drive.Expect;

/** Where the executors run and since when: must not change while the Pacemaker server restarts. */
final class Placement {
    private final LocalCluster cluster;
    private final String topologyId;
    private final Map<String, String> assigned;
    private final int starts;
    private Map<String, Integer> uptimes;

    /** Takes what is true now as what must stay true. */
    Placement(LocalCluster cluster, String topologyId) throws Exception {
        this.cluster = cluster;
        this.topologyId = topologyId;
        assigned = assigned();
        starts = CounterTopology.STARTS.get();
        uptimes = uptimes();
        Expect.that(!assigned.isEmpty(), "an assignment of " + topologyId);
    }

    /** Nimbus has moved no executor and given none a new start time; no task was started anew. */
    void checkUnmoved() {
        // An executor whose worker is taken for dead gets another slot and a new start time.
        Map<String, String> lost = new TreeMap<>(assigned);
        Map<String, String> added = assigned();
        lost.entrySet().removeAll(added.entrySet());
        added.entrySet().removeAll(assigned.entrySet());
        Expect.that(lost.isEmpty() && added.isEmpty(),
            "the executors where they were; no longer so: " + lost + ", instead: " + added);
        Expect.equal("starts of tasks", starts, CounterTopology.STARTS.get());
    }

    /** How many executors are elsewhere, or have another start time. */
    int moved() {
        Map<String, String> now = assigned();
        return (int) assigned.entrySet().stream().filter(before -> !before.getValue().equals(now.get(before.getKey()))).count();
    }

    int executors() {
        return assigned.size();
    }

    int slots() {
        return (int) assigned.values().stream().map(place -> place.split(" ")[0]).distinct().count();
    }

    /** The executors report (through their pulses) the same places, and uptimes that never go back. */
    void checkUptimesGrow() throws Exception {
        Map<String, Integer> now = uptimes();
        Expect.equal("executors and their slots as Nimbus reports them", uptimes.keySet(), now.keySet());
        now.forEach((executor, uptime) -> Expect.that(uptime >= uptimes.get(executor),
            "uptime of " + executor + " not below " + uptimes.get(executor) + " s, came " + uptime + " s"));
        uptimes = now;
    }

    int shortestUptimeSeconds() {
        return uptimes.values().stream().mapToInt(Integer::intValue).min().orElse(0);
    }

    private Map<String, String> assigned() {
        Assignment assignment = cluster.getClusterState().assignmentInfo(topologyId, null);
        Map<String, String> found = new TreeMap<>();
        if (assignment == null) {
            return found;
        }
        assignment.get_executor_node_port().forEach((executor, slot) -> found.put(executor.toString(),
            slot.get_node() + ":" + slot.get_port() + " since " + assignment.get_executor_start_time_secs().get(executor)));
        return found;
    }

    private Map<String, Integer> uptimes() throws Exception {
        Map<String, Integer> found = new TreeMap<>();
        for (ExecutorSummary executor : cluster.getTopologyInfo(topologyId).get_executors()) {
            String key = executor.get_component_id() + " " + executor.get_executor_info().get_task_start()
                + " at " + executor.get_host() + ":" + executor.get_port();
            found.put(key, executor.get_uptime_secs());
        }
        return found;
    }
}
