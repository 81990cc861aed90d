package pacemaker.scenario;

import pacemaker.drive.Context;
import pacemaker.drive.Expect;
import pacemaker.drive.Paths;
import pacemaker.drive.Payloads;
import pacemaker.drive.PulseClient;
import pacemaker.drive.Scenario;

/** Pulses far larger than any socket buffer, up to near the frame limit of 10 MiB. */
public final class Large implements Scenario {
    private static final int MIB = 1024 * 1024;
    private static final int KEYS = 10;

    @Override
    public void run(Context context) throws Exception {
        String topology = Paths.topology("large");
        try (PulseClient client = context.connect()) {
            for (int worker = 0; worker < KEYS; worker++) {
                client.sendPulse(Paths.of(topology, worker), Payloads.of(worker, MIB));
            }
            client.sendPulse(Paths.of(topology, KEYS), Payloads.of(KEYS, 8 * MIB));
            for (int worker = 0; worker < KEYS; worker++) {
                String path = Paths.of(topology, worker);
                Expect.bytes("details of " + path, Payloads.of(worker, MIB), client.getPulse(path));
            }
            String largest = Paths.of(topology, KEYS);
            Expect.bytes("details of " + largest, Payloads.of(KEYS, 8 * MIB), client.getPulse(largest));
            client.deletePath(Paths.of(topology));
            Expect.bytes("details of " + largest + ", deleted", null, client.getPulse(largest));
        }
    }
}
