package pacemaker.sasl;

import pacemaker.drive.Expect;
import pacemaker.drive.Handshake;
import pacemaker.drive.Watchdog;

/**
 * Logs in with the JDK's own SASL clients, one login after another, as the test says on stdin:
 *
 * <pre>
 * TRY NAME mechanism=DIGEST-MD5 server=HOST:PORT read=PATH user=U password=P [username=N] [realm=R] [authzid=A]
 * TRY NAME mechanism=GSSAPI server=HOST:PORT read=PATH jaas=FILE [mutual=true] [service=S] [authzid=A|none]
 *          [subject=KEY] [hold=true]
 * DONE
 * </pre>
 *
 * <p>Says NAME and what came of it: see {@link Attempt}.
 */
public final class Main {
    private static final int DEADLINE_SECONDS = 120;

    private Main() {
    }

    public static void main(String[] arguments) {
        Watchdog.start("sasl", DEADLINE_SECONDS);
        Handshake handshake = new Handshake();
        handshake.listen();
        try {
            run(handshake);
        } catch (Exception failure) {
            System.err.println("FAILED sasl: " + failure);
            failure.printStackTrace();
            System.exit(1);
        }
        handshake.say("PASSED sasl");
    }

    private static void run(Handshake handshake) throws Exception {
        KerberosLogins logins = new KerberosLogins();
        while (true) {
            String[] words = handshake.next().split(" ");
            if (words[0].equals("DONE")) {
                return;
            }
            Expect.equal("a line's first word", "TRY", words[0]);
            Step step = new Step(words);
            handshake.say(step.name() + " " + new Attempt(step, logins, handshake).run());
        }
    }
}
