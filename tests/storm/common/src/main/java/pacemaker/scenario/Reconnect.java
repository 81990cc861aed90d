package pacemaker.scenario;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import pacemaker.drive.Context;
import pacemaker.drive.Crowd;
import pacemaker.drive.Expect;
import pacemaker.drive.Handshake;
import pacemaker.drive.Options;
import pacemaker.drive.Paths;
import pacemaker.drive.Payloads;
import pacemaker.drive.PulseClient;
import pacemaker.drive.Retry;
import pacemaker.drive.Scenario;

/**
 * A server that restarts under a writer and a reader with open connections.
 *
 * <p>We print READY; the test sends RESTARTING; we stop asking and print QUIET; the test restarts
 * the server and sends UP once it listens again. Measured is the time from UP to the first good
 * answer. In between we are quiet on purpose: a request that is under way when the connection goes
 * waits 11 s inside Storm's client, whatever the server does.
 */
public final class Reconnect implements Scenario {
    private static final int WARM_UP_PULSES = 5;
    private static final int PULSES_AFTER = 10;
    private static final int INTERVAL_MS = 200;
    private static final int DETAILS_BYTES = 1024;
    private static final int WRITER = 0;
    private static final int READER = 1;

    @Override
    public void run(Context context) throws Exception {
        Handshake handshake = context.handshake();
        handshake.listen();
        long withinMs = context.options().number(Options.WITHIN_MS, 1000);
        String path = Paths.of(Paths.topology("reconnect"), 0);
        try (PulseClient writer = context.connect(); PulseClient reader = context.connect()) {
            byte[] last = pulseUntilRestarting(handshake, writer, reader, path);
            long quietAt = System.nanoTime();
            handshake.say("QUIET");
            handshake.await("UP");
            long upAt = System.nanoTime();

            AtomicLongArray tookMs = new AtomicLongArray(2);
            Crowd.run(2, role -> {
                if (role == WRITER) {
                    // A key of its own, so that the reader still finds what a server has kept.
                    Retry.untilAnswered(() -> writer.sendPulse(path + "-after", last));
                } else {
                    Retry.untilAnswered(() -> checkKept(context, last, reader.getPulse(path)));
                }
                tookMs.set(role, sinceMs(upAt));
            });
            handshake.say("WRITER " + tookMs.get(WRITER) + "ms");
            handshake.say("READER " + tookMs.get(READER) + "ms");
            handshake.say("SILENT " + sinceMs(quietAt) + "ms");
            long slowest = Math.max(tookMs.get(WRITER), tookMs.get(READER));
            handshake.say("RECONNECTED " + slowest + "ms");
            Expect.that(slowest <= withinMs, "good answers within " + withinMs + " ms of UP, but writer took "
                + tookMs.get(WRITER) + " ms and reader " + tookMs.get(READER) + " ms");
            for (int pulse = 0; pulse < PULSES_AFTER; pulse++) {
                pulse(writer, reader, path, 1_000_000 + pulse);
                Thread.sleep(INTERVAL_MS);
            }
        }
    }

    /** Returns the details that were written last. */
    private static byte[] pulseUntilRestarting(Handshake handshake, PulseClient writer, PulseClient reader, String path)
        throws Exception {
        byte[] last;
        int number = 0;
        do {
            last = pulse(writer, reader, path, number);
            number++;
            if (number == WARM_UP_PULSES) {
                handshake.say("READY");
            }
        } while (!handshake.awaitFor("RESTARTING", INTERVAL_MS));
        return last;
    }

    private static byte[] pulse(PulseClient writer, PulseClient reader, String path, int number) throws Exception {
        byte[] details = Payloads.of(number, DETAILS_BYTES);
        writer.sendPulse(path, details);
        Expect.bytes("details just written", details, reader.getPulse(path));
        return details;
    }

    private static void checkKept(Context context, byte[] written, byte[] found) {
        if (found != null || context.options().has(Options.EXPECT_KEPT)) {
            Expect.bytes("details kept over the restart", written, found);
        }
    }

    private static long sinceMs(long instant) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - instant);
    }
}
