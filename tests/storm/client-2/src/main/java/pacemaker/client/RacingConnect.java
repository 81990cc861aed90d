package pacemaker.client;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.storm.generated.HBMessage;
import org.apache.storm.generated.HBMessageData;
import org.apache.storm.generated.HBServerMessageType;
import org.apache.storm.pacemaker.PacemakerClientPool;
import org.apache.storm.utils.Utils;
import pacemaker.drive.Expect;

/**
 * Makes a client of Storm 2.0.0 that works.
 *
 * <p>Its first message may overtake the connect (STORM-3540, fixed in 2.2.0): then the client is dead, against any
 * server, and finds out after 11 s. So the first message is a harmless one that holds itself up. Should it be
 * lost all the same, another client gets another, later message; the dead one stays until the JVM ends.
 */
final class RacingConnect {
    private static final int ATTEMPTS = 6;
    private static final long FIRST_DELAY_MS = 100;
    private static final long ANSWER_MS = 1500;

    private RacingConnect() {
    }

    static PacemakerClientPool pool(Map<String, Object> conf) throws Exception {
        ExecutorService sender = Executors.newSingleThreadExecutor();
        long delayMs = FIRST_DELAY_MS;
        try {
            for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
                PacemakerClientPool pool = new PacemakerClientPool(conf);
                if (answers(sender, pool, delayMs)) {
                    System.out.println("CONNECTED at attempt " + attempt);
                    return pool;
                }
                delayMs *= 2;
            }
        } finally {
            sender.shutdownNow();
        }
        throw Expect.failed("an answer to the first message of one of " + ATTEMPTS + " clients, came none");
    }

    private static boolean answers(ExecutorService sender, PacemakerClientPool pool, long delayMs) throws Exception {
        // To every server, since the pool connects to each at its first message.
        Future<List<HBMessage>> answers = sender.submit(() -> pool.sendAll(new LateMessage(delayMs)));
        try {
            answers.get(ANSWER_MS + delayMs, TimeUnit.MILLISECONDS);
            return true;
        } catch (TimeoutException dead) {
            answers.cancel(true);
            return false;
        }
    }

    /** The client numbers a message after it has begun to connect and before it writes. */
    private static final class LateMessage extends HBMessage {
        private final long delayMs;

        LateMessage(long delayMs) {
            super(HBServerMessageType.CREATE_PATH, HBMessageData.path("/connect"));
            this.delayMs = delayMs;
        }

        @Override
        public void set_message_id(int id) {
            Utils.sleep(delayMs);
            super.set_message_id(id);
        }
    }
}
