package pacemaker.drive;

/** Asks again after a failure of the client, as Storm's own callers do. The watchdog bounds it. */
public final class Retry {
    private static final int PAUSE_MS = 20;

    /** One or more requests. */
    public interface Request {
        void send() throws Exception;
    }

    private Retry() {
    }

    /** A wrong answer is final: only the lack of one is tried again. */
    public static void untilAnswered(Request request) throws Exception {
        while (true) {
            try {
                request.send();
                return;
            } catch (Expect.Failed wrong) {
                throw wrong;
            } catch (Exception noAnswer) {
                System.err.println("no answer yet: " + noAnswer);
                Thread.sleep(PAUSE_MS);
            }
        }
    }
}
