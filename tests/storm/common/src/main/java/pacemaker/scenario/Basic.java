package pacemaker.scenario;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import pacemaker.drive.Context;
import pacemaker.drive.Expect;
import pacemaker.drive.Options;
import pacemaker.drive.Paths;
import pacemaker.drive.Payloads;
import pacemaker.drive.PulseClient;
import pacemaker.drive.Scenario;

/** Every request of the protocol once, one after another, through one client. */
public final class Basic implements Scenario {
    private static final int WORKERS = 5;
    private static final int DETAILS_BYTES = 4096;

    @Override
    public void run(Context context) throws Exception {
        // The second id begins with the first: only a server that minds directory boundaries tells them apart.
        String topology = Paths.topology("basic");
        String longer = topology + "1";
        try (PulseClient client = context.connect()) {
            writeAndRead(client, topology);
            listAndExist(client, topology, longer, context.options().has(Options.EXPECT_LIST_BOUNDARY));
            allPulses(client, topology, context.options().has(Options.EXPECT_RECORDS));
            delete(client, topology, longer);
        }
    }

    private static void writeAndRead(PulseClient client, String topology) throws Exception {
        String first = Paths.of(topology, 0);
        Expect.bytes("details of " + first + " before any pulse", null, client.getPulse(first));
        client.sendPulse(first, "old".getBytes(StandardCharsets.UTF_8));
        Expect.bytes("details of " + first, "old".getBytes(StandardCharsets.UTF_8), client.getPulse(first));
        for (int worker = 0; worker < WORKERS; worker++) {
            client.sendPulse(Paths.of(topology, worker), details(worker));
        }
        for (int worker = 0; worker < WORKERS; worker++) {
            String path = Paths.of(topology, worker);
            Expect.bytes("details of " + path, details(worker), client.getPulse(path));
        }
        String missing = Paths.of(topology, WORKERS);
        Expect.bytes("details of " + missing + ", never written", null, client.getPulse(missing));
    }

    private static void listAndExist(PulseClient client, String topology, String longer, boolean boundary) throws Exception {
        Expect.equal("children of the topology", workers(0), client.list(Paths.of(topology)));
        client.sendPulse(Paths.of(longer) + "/alone", details(0));
        Expect.equal("children of the longer topology", Set.of("alone"), client.list(Paths.of(longer)));
        if (boundary) {
            Expect.equal("children of the topology beside a longer one", workers(0), client.list(Paths.of(topology)));
        }
        Set<String> topologies = client.list(Paths.ROOT);
        Expect.that(topologies.containsAll(Set.of(topology, longer)),
            topology + " and " + longer + " in the list of " + Paths.ROOT + ", came " + topologies);
        Expect.equal("children of a key", Set.of(), client.list(Paths.of(longer) + "/alone"));

        Expect.equal("a key exists", true, client.exists(Paths.of(topology, 0)));
        Expect.equal("a missing key exists", false, client.exists(Paths.of(topology, WORKERS)));
        Expect.equal("a directory exists", false, client.exists(Paths.of(topology)));
        client.createPath(Paths.of(topology) + "/created");
        Expect.equal("a created path exists", false, client.exists(Paths.of(topology) + "/created"));
    }

    private static void allPulses(PulseClient client, String topology, boolean expectRecords) throws Exception {
        // The client has already checked the answer's type, which is all that Storm's own server gives.
        Map<String, byte[]> records = client.getAllPulses(Paths.of(topology));
        if (!expectRecords) {
            return;
        }
        Expect.that(records != null, "records in the answer to GET_ALL_PULSE_FOR_PATH, came none");
        Set<String> ids = new TreeSet<>();
        for (int worker = 0; worker < WORKERS; worker++) {
            ids.add(Paths.of(topology, worker));
        }
        Expect.equal("ids of all pulses of the topology", ids, records.keySet());
        for (int worker = 0; worker < WORKERS; worker++) {
            String path = Paths.of(topology, worker);
            Expect.bytes("details in the record of " + path, details(worker), records.get(path));
        }
    }

    private static void delete(PulseClient client, String topology, String longer) throws Exception {
        client.deletePulse(Paths.of(topology, 0));
        Expect.equal("a deleted key exists", false, client.exists(Paths.of(topology, 0)));
        Expect.bytes("details of a deleted key", null, client.getPulse(Paths.of(topology, 0)));
        Expect.bytes("details of the key beside it", details(1), client.getPulse(Paths.of(topology, 1)));

        client.deletePath(Paths.of(topology));
        Expect.bytes("details below a deleted path", null, client.getPulse(Paths.of(topology, 1)));
        Expect.bytes("details below a longer path", details(0), client.getPulse(Paths.of(longer) + "/alone"));
        Set<String> topologies = client.list(Paths.ROOT);
        Expect.equal("the deleted topology is listed", false, topologies.contains(topology));
        Expect.equal("the longer topology is listed", true, topologies.contains(longer));

        client.deletePath(Paths.of(longer));
        Expect.equal("children of a deleted topology", Set.of(), client.list(Paths.of(longer)));
    }

    private static Set<String> workers(int from) {
        Set<String> names = new TreeSet<>();
        for (int worker = from; worker < WORKERS; worker++) {
            names.add(Paths.worker(worker));
        }
        return names;
    }

    private static byte[] details(int worker) {
        return Payloads.of(worker, DETAILS_BYTES);
    }
}
