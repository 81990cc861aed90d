import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.URIParameter;
import java.util.Base64;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.Configuration;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Says what Java's own reader makes of JAAS files, so that ours can be held against it.
 *
 * <p>Run as it stands: {@code java ReadJaas.java}. A line of input is a file and the options that are
 * asked for: {@code FILE SECTION OPTION SECTION OPTION ...}. A line of output is {@code reject REASON},
 * or {@code accept VALUE VALUE ...}, with {@code -} for an option that is not there. All words but the
 * first of the output are in base64 with {@code =} before it.
 */
public final class ReadJaas {
    public static void main(String[] arguments) throws Exception {
        Path file = Files.createTempFile("jaas", ".conf");
        PrintStream output = new PrintStream(System.out, false, UTF_8);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            Files.writeString(file, decoded(words[0]));
            output.println(answer(file, words));
        }
        output.flush();
        Files.delete(file);
    }

    private static String answer(Path file, String[] words) {
        Configuration configuration;
        try {
            configuration = Configuration.getInstance("JavaLoginConfig", new URIParameter(file.toUri()));
        } catch (Exception refusal) {
            Throwable reason = refusal;
            while (reason.getCause() != null) {
                reason = reason.getCause();
            }
            return "reject " + encoded(String.valueOf(reason.getMessage()));
        }
        StringBuilder answer = new StringBuilder("accept");
        for (int asked = 1; asked + 1 < words.length; asked += 2) {
            String value = value(configuration, decoded(words[asked]), decoded(words[asked + 1]));
            answer.append(' ').append(value == null ? "-" : encoded(value));
        }
        return answer.toString();
    }

    /** As Storm's {@code ClientAuthUtils.get}. */
    private static String value(Configuration configuration, String section, String option) {
        AppConfigurationEntry[] entries = configuration.getAppConfigurationEntry(section);
        if (entries == null) {
            return null;
        }
        for (AppConfigurationEntry entry : entries) {
            Object value = entry.getOptions().get(option);
            if (value != null) {
                return (String) value;
            }
        }
        return null;
    }

    private static String encoded(String text) {
        return "=" + Base64.getEncoder().encodeToString(text.getBytes(UTF_8));
    }

    private static String decoded(String word) {
        return new String(Base64.getDecoder().decode(word.substring(1)), UTF_8);
    }
}
