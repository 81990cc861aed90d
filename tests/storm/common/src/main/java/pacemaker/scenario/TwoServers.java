package pacemaker.scenario;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import pacemaker.drive.Context;
import pacemaker.drive.Expect;
import pacemaker.drive.Options;
import pacemaker.drive.Paths;
import pacemaker.drive.Payloads;
import pacemaker.drive.PulseClient;
import pacemaker.drive.Scenario;

/** Servers that share nothing: a worker writes to one of them, Nimbus asks and deletes on all. */
public final class TwoServers implements Scenario {
    private static final int DETAILS_BYTES = 2048;

    @Override
    public void run(Context context) throws Exception {
        List<String> hosts = context.options().hosts();
        if (hosts.size() < 2 || !context.connector().knowsSeveralServers()) {
            throw Options.unusable("two-servers needs two servers, and a client of Storm 1.1 or later");
        }
        String topology = Paths.topology("two-servers");
        try (PulseClient worker = context.connect(); PulseClient nimbus = context.connect()) {
            writtenToOne(context, worker, nimbus, topology);
            writtenToEach(context, nimbus, topology);
            nimbus.deletePathOnAll(Paths.of(topology));
            for (Set<String> children : nimbus.listFromAll(Paths.of(topology))) {
                Expect.equal("children of the deleted topology", Set.of(), children);
            }
        }
    }

    private static void writtenToOne(Context context, PulseClient worker, PulseClient nimbus, String topology) throws Exception {
        int servers = context.options().hosts().size();
        String path = Paths.of(topology, 0);
        // Several pulses: the worker must stay with the server that took the first.
        for (int pulse = 0; pulse < 5; pulse++) {
            worker.sendPulse(path, Payloads.of(pulse, DETAILS_BYTES));
        }
        List<byte[]> answers = nimbus.getPulseFromAll(path);
        Expect.equal("answers, one for each server", servers, answers.size());
        List<byte[]> hits = answers.stream().filter(Objects::nonNull).toList();
        Expect.equal("servers that have the pulse", 1, hits.size());
        Expect.bytes("details of " + path, Payloads.of(4, DETAILS_BYTES), hits.get(0));

        List<String> holders = new ArrayList<>();
        for (String host : context.options().hosts()) {
            try (PulseClient one = context.connectTo(host)) {
                if (one.exists(path)) {
                    holders.add(host);
                }
            }
        }
        Expect.equal("servers, each asked alone, that have the pulse " + holders, 1, holders.size());
        context.handshake().say("HOLDER " + holders.get(0));
    }

    private static void writtenToEach(Context context, PulseClient nimbus, String topology) throws Exception {
        List<String> hosts = context.options().hosts();
        for (int server = 0; server < hosts.size(); server++) {
            try (PulseClient one = context.connectTo(hosts.get(server))) {
                one.sendPulse(Paths.of(topology, 100 + server), Payloads.of(100 + server, DETAILS_BYTES));
                Expect.bytes("details on the server they were written to", Payloads.of(100 + server, DETAILS_BYTES),
                    one.getPulse(Paths.of(topology, 100 + server)));
            }
        }
        for (int server = 0; server < hosts.size(); server++) {
            byte[] expected = Payloads.of(100 + server, DETAILS_BYTES);
            List<byte[]> answers = nimbus.getPulseFromAll(Paths.of(topology, 100 + server));
            long equal = answers.stream().filter(answer -> Arrays.equals(expected, answer)).count();
            Expect.equal("servers with the pulse written to " + hosts.get(server), 1L, equal);
            Expect.equal("servers without it", hosts.size() - 1, Collections.frequency(answers, null));
        }
    }
}
