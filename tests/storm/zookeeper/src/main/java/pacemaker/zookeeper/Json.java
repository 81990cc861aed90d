package pacemaker.zookeeper;

import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Writes maps, lists, text, numbers and truth values as JSON. */
final class Json {
    private final StringBuilder out = new StringBuilder();

    private Json() {
    }

    static String of(Object value) {
        Json json = new Json();
        json.write(value, "\n");
        return json.out.toString();
    }

    private void write(Object value, String line) {
        if (value instanceof Map<?, ?> map) {
            writeAll('{', map.entrySet().iterator(), '}', line);
        } else if (value instanceof List<?> list) {
            writeAll('[', list.iterator(), ']', line);
        } else if (value instanceof Map.Entry<?, ?> entry) {
            write(entry.getKey(), line);
            out.append(": ");
            write(entry.getValue(), line);
        } else if (value instanceof String text) {
            quote(text);
        } else if (value instanceof Double number) {
            // JSON has no word for what is no number.
            out.append(Double.isFinite(number) ? String.format(Locale.ROOT, "%.6f", number) : "null");
        } else {
            out.append(value);
        }
    }

    private void writeAll(char open, Iterator<?> values, char close, String line) {
        out.append(open);
        String separator = "";
        while (values.hasNext()) {
            out.append(separator).append(line).append("  ");
            write(values.next(), line + "  ");
            separator = ",";
        }
        if (!separator.isEmpty()) {
            out.append(line);
        }
        out.append(close);
    }

    private void quote(String text) {
        out.append('"');
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                out.append('\\').append(letter);
            } else if (letter < ' ') {
                out.append(String.format("\\u%04x", (int) letter));
            } else {
                out.append(letter);
            }
        }
        out.append('"');
    }
}
