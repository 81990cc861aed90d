package pacemaker.scenario;

import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Phaser;
import pacemaker.drive.Context;
import pacemaker.drive.Crowd;
import pacemaker.drive.Expect;
import pacemaker.drive.Paths;
import pacemaker.drive.Payloads;
import pacemaker.drive.PulseClient;
import pacemaker.drive.Scenario;

/**
 * Many threads share one client; each works on a topology of its own and compares every answer with what it has written.
 *
 * <p>They wait for each other after every few requests. Storm's client frees one of its 100 slots, which it hands out
 * in turn, before the thread that waits on it has read its answer: if the others could send 80 requests while
 * that thread sleeps, one of them would overwrite the answer (seen on a busy machine, against the Java daemon).
 */
public final class Threads implements Scenario {
    private static final int THREADS = 20;
    private static final int OPERATIONS = 200;
    private static final int OPERATIONS_UNTIL_WAIT = 3;
    private static final int KEYS = 8;
    private static final int LONGEST_BYTES = 8192;

    @Override
    public void run(Context context) throws Exception {
        // Ids of one length: the Java daemon's list confuses an id with longer ones that begin with it.
        String name = Paths.topology("threads");
        try (PulseClient client = context.connect()) {
            client.createPath(Paths.of(name));
            Phaser together = new Phaser(THREADS);
            Crowd.run(THREADS, number -> {
                try {
                    work(client, String.format("%s%02d", name, number), number, together);
                } finally {
                    // One that fails must not keep the others waiting.
                    together.arriveAndDeregister();
                }
            });
        }
    }

    private static void work(PulseClient client, String topology, int seed, Phaser together) throws Exception {
        Random random = new Random(seed);
        Map<String, byte[]> written = new TreeMap<>();
        for (int operation = 0; operation < OPERATIONS; operation++) {
            if (operation % OPERATIONS_UNTIL_WAIT == 0) {
                together.arriveAndAwaitAdvance();
            }
            String worker = Paths.worker(random.nextInt(KEYS));
            String path = Paths.of(topology) + "/" + worker;
            switch (random.nextInt(8)) {
                case 0, 1, 2 -> {
                    byte[] details = Payloads.of(random.nextLong(), 1 + random.nextInt(LONGEST_BYTES));
                    client.sendPulse(path, details);
                    written.put(worker, details);
                }
                case 3, 4 -> Expect.bytes("details of " + path, written.get(worker), client.getPulse(path));
                case 5 -> Expect.equal(path + " exists", written.containsKey(worker), client.exists(path));
                case 6 -> Expect.equal("children of " + topology, written.keySet(), client.list(Paths.of(topology)));
                default -> {
                    client.deletePulse(path);
                    written.remove(worker);
                }
            }
        }
        together.arriveAndAwaitAdvance();
        client.deletePath(Paths.of(topology));
        Expect.equal("children of " + topology + ", deleted", Map.of().keySet(), client.list(Paths.of(topology)));
    }
}
