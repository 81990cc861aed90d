package pacemaker.sasl;

import java.util.HashMap;
import java.util.Map;
import pacemaker.drive.Expect;

/** One line of the test: {@code TRY NAME key=value...}. */
final class Step {
    private final String name;
    private final Map<String, String> values = new HashMap<>();

    Step(String[] words) {
        name = words[1];
        for (int index = 2; index < words.length; index++) {
            String[] pair = words[index].split("=", 2);
            Expect.equal("parts of " + words[index], 2, pair.length);
            values.put(pair[0], pair[1]);
        }
    }

    String name() {
        return name;
    }

    /** A value that must be there. */
    String get(String key) {
        String value = values.get(key);
        Expect.that(value != null, key + "= in the step " + name);
        return value;
    }

    String get(String key, String otherwise) {
        return values.getOrDefault(key, otherwise);
    }

    boolean is(String key) {
        return values.getOrDefault(key, "false").equals("true");
    }
}
