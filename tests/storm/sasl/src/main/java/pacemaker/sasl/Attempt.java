package pacemaker.sasl;

import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import javax.security.auth.login.LoginException;
import javax.security.sasl.SaslClient;
import javax.security.sasl.SaslException;
import pacemaker.drive.Expect;
import pacemaker.drive.Handshake;

/**
 * One login over a connection of its own, and one read after it. What comes of it:
 *
 * <pre>
 * LOGGED_IN READ TEXT        the login succeeded and so does reading ("nothing" if nothing is there)
 * LOGGED_IN NOT_AUTHORIZED   the login succeeded and reading is refused
 * CLOSED FIN, CLOSED RST     the server ended the connection
 * NO_TICKET WHY              the client has nothing to send: the KDC gave it no ticket
 * SERVER_REFUSED WHY         the client does not believe that the server knows the secret
 * </pre>
 */
final class Attempt {
    private final Step step;
    private final KerberosLogins logins;
    private final Handshake handshake;

    Attempt(Step step, KerberosLogins logins, Handshake handshake) {
        this.step = step;
        this.logins = logins;
        this.handshake = handshake;
    }

    String run() throws Exception {
        SaslClient client;
        Evaluator evaluator;
        byte[] firstToken = null;
        if (step.get("mechanism").equals("GSSAPI")) {
            try {
                KerberosLogins.Login login = logins.of(step);
                client = login.client();
                evaluator = login.evaluator();
                firstToken = evaluator.evaluate(new byte[0]);
            } catch (LoginException | SaslException noTicket) {
                return "NO_TICKET " + noTicket;
            }
        } else {
            client = Digest.client(step);
            evaluator = client::evaluateChallenge;
        }
        if (step.is("hold")) {
            handshake.say(step.name() + " HOLDING");
            handshake.await("GO");
        }
        try (Wire wire = new Wire(step.get("server"))) {
            return exchange(wire, client, evaluator, firstToken);
        } catch (SocketException reset) {
            return "CLOSED RST";
        }
    }

    /** A client without a first token asks the server for one. */
    private String exchange(Wire wire, SaslClient client, Evaluator evaluator, byte[] firstToken) throws Exception {
        if (firstToken == null) {
            wire.sendControl(Wire.ASK_FOR_TOKEN);
        } else {
            wire.sendToken(firstToken);
        }
        while (true) {
            Wire.Frame frame = wire.receive();
            if (frame == null) {
                return "CLOSED FIN";
            }
            if (frame.isControl(Wire.COMPLETE)) {
                Expect.that(client.isComplete(), "the end of the login after the client's, came before it");
                return "LOGGED_IN " + read(wire);
            }
            byte[] answer;
            try {
                answer = evaluator.evaluate(frame.token());
            } catch (SaslException disbelief) {
                return "SERVER_REFUSED " + disbelief;
            }
            // Nothing follows the last token of DIGEST-MD5, an empty one the first of a mutual GSSAPI.
            if (answer != null) {
                wire.sendToken(answer);
            }
        }
    }

    private String read(Wire wire) throws Exception {
        wire.askForPulse(step.get("read"));
        while (true) {
            Wire.Frame frame = wire.receive();
            Expect.that(frame != null, "an answer to GET_PULSE, came the connection's end");
            if (frame.isNotAuthorized()) {
                return "NOT_AUTHORIZED";
            }
            // Storm's daemon says twice that the login is complete.
            if (!frame.isControl(Wire.COMPLETE)) {
                byte[] details = frame.details();
                return "READ " + (details == null ? "nothing" : new String(details, StandardCharsets.UTF_8));
            }
        }
    }

    /** A client's answer to a challenge. */
    interface Evaluator {
        byte[] evaluate(byte[] challenge) throws Exception;
    }
}
