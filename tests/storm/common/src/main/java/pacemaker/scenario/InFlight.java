package pacemaker.scenario;

import pacemaker.drive.Context;
import pacemaker.drive.Crowd;
import pacemaker.drive.Expect;
import pacemaker.drive.Paths;
import pacemaker.drive.Payloads;
import pacemaker.drive.PulseClient;
import pacemaker.drive.Scenario;

/**
 * As many requests under way at once as one client has slots for: every answer must fit its own request.
 *
 * <p>Not one thread more: the client frees a slot before the thread that waits on it has read its answer, so a
 * thread that waits for a free slot may overwrite that answer (seen with every version, against the Java daemon).
 * All have read their answers before the next round begins, for the same reason.
 */
public final class InFlight implements Scenario {
    private static final int THREADS = 100;
    private static final int ROUNDS = 10;
    private static final int DETAILS_BYTES = 4096;

    @Override
    public void run(Context context) throws Exception {
        String topology = Paths.topology("inflight");
        try (PulseClient client = context.connect()) {
            client.createPath(Paths.of(topology));
            for (int round = 0; round < ROUNDS; round++) {
                int now = round;
                Crowd.run(THREADS, number -> client.sendPulse(Paths.of(topology, number), details(now, number)));
                Crowd.run(THREADS, number -> Expect.bytes("round " + now + ", details of " + Paths.of(topology, number),
                    details(now, number), client.getPulse(Paths.of(topology, number))));
            }
            client.deletePath(Paths.of(topology));
        }
    }

    private static byte[] details(int round, int number) {
        return Payloads.of(round * 1000L + number, DETAILS_BYTES + number);
    }
}
