import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.apache.storm.shade.org.yaml.snakeyaml.LoaderOptions;
import org.apache.storm.shade.org.yaml.snakeyaml.Yaml;
import org.apache.storm.shade.org.yaml.snakeyaml.constructor.SafeConstructor;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Says what Storm's own reader makes of storm.yaml files, so that ours can be held against it. It is the
 * SnakeYAML inside of Storm's jars, used as {@code Utils.findAndReadConfigFile} does.
 *
 * <p>Run as it stands, with the class path of a version of Storm: {@code java -cp ... ReadStormYaml.java}.
 * A line of input is a file in base64 with {@code =} before it. A line of output is {@code reject REASON}
 * or {@code accept KEY VALUE KEY VALUE ...}: the top level's keys that are text, sorted. All words but
 * the first are in base64 with {@code =} before it, and {@link #describe} says what a value looks like.
 */
public final class ReadStormYaml {
    public static void main(String[] arguments) throws Exception {
        PrintStream output = new PrintStream(System.out, false, UTF_8);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            output.println(answer(Base64.getDecoder().decode(line.substring(1))));
        }
        output.flush();
    }

    private static String answer(byte[] file) {
        Object root;
        try {
            Yaml yaml = new Yaml(new SafeConstructor(new LoaderOptions()));
            root = yaml.load(new InputStreamReader(new ByteArrayInputStream(file), UTF_8));
            if (root != null && !(root instanceof Map)) {
                // Storm casts it.
                throw new ClassCastException("the top level is no mapping");
            }
        } catch (Exception | StackOverflowError refusal) {
            return "reject " + encoded(String.valueOf(refusal));
        }
        StringBuilder answer = new StringBuilder("accept");
        if (root != null) {
            ((Map<?, ?>) root).entrySet().stream()
                .filter(entry -> entry.getKey() instanceof String)
                .sorted((one, other) -> ((String) one.getKey()).compareTo((String) other.getKey()))
                .forEach(entry -> answer.append(' ').append(encoded((String) entry.getKey()))
                    .append(' ').append(encoded(describe(entry.getValue(), true))));
        }
        return answer.toString();
    }

    /**
     * {@code i:6699}, {@code t:some text}, {@code null}, {@code map}, {@code other}, and for a list
     * {@code [} and its items, each in base64 and a space behind it, {@code ]}; {@code list} within a list.
     */
    private static String describe(Object value, boolean isOutermost) {
        if (value == null) {
            return "null";
        } else if (value instanceof Integer || value instanceof Long
            || value instanceof java.math.BigInteger) {
            return "i:" + value;
        } else if (value instanceof String) {
            return "t:" + value;
        } else if (value instanceof List && isOutermost) {
            StringBuilder items = new StringBuilder("[");
            for (Object item : (List<?>) value) {
                items.append(encoded(describe(item, false))).append(' ');
            }
            return items.append(']').toString();
        } else if (value instanceof List) {
            return "list";
        } else if (value instanceof Map || value instanceof java.util.Set) {
            return "map";
        }
        return "other";
    }

    private static String encoded(String text) {
        return "=" + Base64.getEncoder().encodeToString(text.getBytes(UTF_8));
    }
}
