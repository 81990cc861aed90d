package pacemaker.sasl;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.sasl.RealmCallback;
import javax.security.sasl.RealmChoiceCallback;
import javax.security.sasl.Sasl;
import javax.security.sasl.SaslClient;

/** DIGEST-MD5 with Storm's password, which is made of the user's name and his own. */
final class Digest {
    private static final String SERVER_NAME = "default";

    private Digest() {
    }

    static SaslClient client(Step step) throws Exception {
        String username = Base64.getEncoder().encodeToString(step.get("username", "pacemaker-client").getBytes(StandardCharsets.UTF_8));
        char[] password = password(step.get("user"), step.get("password"));
        // No protocol: the URI that both sign is then null/default, as with Storm.
        return Sasl.createSaslClient(new String[] {"DIGEST-MD5"}, step.get("authzid", null), null, SERVER_NAME, Map.of(), callbacks -> {
            for (Callback callback : callbacks) {
                if (callback instanceof NameCallback name) {
                    name.setName(username);
                } else if (callback instanceof PasswordCallback secret) {
                    secret.setPassword(password);
                } else if (callback instanceof RealmCallback realm) {
                    realm.setText(step.get("realm", realm.getDefaultText()));
                } else if (callback instanceof RealmChoiceCallback choice) {
                    choice.setSelectedIndex(choice.getDefaultChoice());
                }
            }
        });
    }

    private static char[] password(String user, String password) throws Exception {
        byte[] hash = MessageDigest.getInstance("SHA-512").digest((user + ":" + password).getBytes(StandardCharsets.UTF_8));
        byte[] secret = HexFormat.of().formatHex(hash).getBytes(StandardCharsets.US_ASCII);
        return Base64.getEncoder().encodeToString(secret).toCharArray();
    }
}
