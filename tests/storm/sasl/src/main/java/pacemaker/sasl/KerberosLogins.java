package pacemaker.sasl;

import java.io.File;
import java.security.PrivilegedActionException;
import java.security.PrivilegedExceptionAction;
import java.security.URIParameter;
import java.util.HashMap;
import java.util.Map;
import javax.security.auth.Subject;
import javax.security.auth.login.Configuration;
import javax.security.auth.login.LoginContext;
import javax.security.sasl.Sasl;
import javax.security.sasl.SaslClient;

/**
 * GSSAPI with the tickets of a section PacemakerClient. A step's {@code subject=KEY} keeps them, with all
 * that the KDC has given, for later steps of the same key.
 */
final class KerberosLogins {
    private static final String SECTION = "PacemakerClient";
    private final Map<String, Subject> kept = new HashMap<>();

    /** A client and what it must act as. */
    record Login(Subject subject, SaslClient client) {
        Attempt.Evaluator evaluator() {
            return challenge -> as(subject, () -> client.evaluateChallenge(challenge));
        }
    }

    Login of(Step step) throws Exception {
        String key = step.get("subject", null);
        Subject subject = key == null ? null : kept.get(key);
        if (subject == null) {
            subject = logIn(step.get("jaas"));
        }
        if (key != null) {
            kept.put(key, subject);
        }
        // Storm's clients want to be who their ticket says; none leaves that to the server.
        String name = subject.getPrincipals().iterator().next().getName();
        String authorizationId = step.get("authzid", name);
        String asked = authorizationId.equals("none") ? null : authorizationId;
        Map<String, String> properties = Map.of(Sasl.SERVER_AUTH, String.valueOf(step.is("mutual")), Sasl.QOP, "auth");
        String host = step.get("server").replaceFirst(":.*", "");
        SaslClient client = as(subject, () -> Sasl.createSaslClient(new String[] {"GSSAPI"}, asked,
            step.get("service", "pacemaker"), host, properties, callbacks -> { }));
        return new Login(subject, client);
    }

    private static Subject logIn(String jaasFile) throws Exception {
        Configuration configuration = Configuration.getInstance("JavaLoginConfig", new URIParameter(new File(jaasFile).toURI()));
        LoginContext context = new LoginContext(SECTION, new Subject(), null, configuration);
        context.login();
        return context.getSubject();
    }

    private static <T> T as(Subject subject, PrivilegedExceptionAction<T> action) throws Exception {
        try {
            return Subject.doAs(subject, action);
        } catch (PrivilegedActionException failure) {
            throw failure.getException();
        }
    }
}
