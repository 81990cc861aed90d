package pacemaker.scenario;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import pacemaker.drive.Context;
import pacemaker.drive.Expect;
import pacemaker.drive.Handshake;
import pacemaker.drive.Login;
import pacemaker.drive.PacemakerConnector;
import pacemaker.drive.PulseClient;
import pacemaker.drive.Scenario;

/**
 * Clients that log in, or fail to, one after another in one JVM, as the test says on stdin:
 *
 * <pre>
 * WRITE SERVER PATH TEXT             a client without a login writes a pulse; says WRITTEN
 * TRY NAME METHOD FILE SERVER PATH   a new client logs in (FILE is - for NONE), and reads and lists
 *                                    PATH a few times; says NAME and what came of it (see attempt)
 * DONE
 * </pre>
 */
public final class Logins implements Scenario {
    private static final int ROUNDS = 3;

    @Override
    public int deadlineSeconds() {
        return 120;
    }

    @Override
    public void run(Context context) throws Exception {
        Handshake handshake = context.handshake();
        PacemakerConnector connector = context.connector();
        handshake.listen();
        while (true) {
            String[] words = handshake.next().split(" ");
            switch (words[0]) {
                case "WRITE" -> {
                    try (PulseClient client = connect(connector, words[1], Login.NONE)) {
                        client.sendPulse(words[2], words[3].getBytes(StandardCharsets.UTF_8));
                    }
                    handshake.say("WRITTEN");
                }
                case "TRY" -> {
                    Login login = new Login(words[2], words[3].equals("-") ? null : words[3]);
                    handshake.say(words[1] + " " + attempt(connector, login, words[4], words[5]));
                }
                case "DONE" -> {
                    return;
                }
                default -> throw Expect.failed("WRITE, TRY or DONE on stdin, came " + words[0]);
            }
        }
    }

    /** {@code READ TEXT}, {@code NOT_AUTHORIZED}, or {@code GAVE_UP 11034ms WHY}: the client itself stops trying. */
    private static String attempt(PacemakerConnector connector, Login login, String server, String path) {
        long begin = System.nanoTime();
        try (PulseClient client = connect(connector, server, login)) {
            String read = null;
            for (int round = 0; round < ROUNDS; round++) {
                byte[] details = client.getPulse(path);
                Expect.that(details != null, "a pulse under " + path + ", came none");
                read = new String(details, StandardCharsets.UTF_8);
                int slash = path.lastIndexOf('/');
                Set<String> names = client.list(path.substring(0, slash));
                Expect.that(names.contains(path.substring(slash + 1)), path + " in a list, came " + names);
            }
            return "READ " + read;
        } catch (PulseClient.NotAuthorized refusal) {
            return "NOT_AUTHORIZED";
        } catch (Exception failure) {
            failure.printStackTrace();
            return "GAVE_UP " + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin) + "ms " + failure;
        }
    }

    private static PulseClient connect(PacemakerConnector connector, String server, Login login) throws Exception {
        int colon = server.lastIndexOf(':');
        int port = Integer.parseInt(server.substring(colon + 1));
        return new PulseClient(connector.connect(List.of(server.substring(0, colon)), port, login));
    }
}
