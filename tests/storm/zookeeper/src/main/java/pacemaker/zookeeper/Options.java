package pacemaker.zookeeper;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** The command line. Times leave here in microseconds. */
final class Options {
    static final String HELP = """
        Plays a Storm cluster's heartbeats through ZooKeeper's own client and measures the answers.
        Prints a report as one JSON object. Exit codes: 0 all went well, 1 errors, 2 wrong usage.

          --server HOST:PORT    the ZooKeeper to load
          --plan FILE           a line for each worker: key, first pulse in microseconds after the start,
                                bytes of a pulse; tabs between them
          --interval-ms N       time between two pulses of a worker [3000]
          --warmup-s N          time before the measured window: errors count in it, times do not [10]
          --duration-s N        the measured window [60]
          --server-pid PID      the server process on this host whose CPU time and memory are measured
          --sessions N          ZooKeeper sessions that the workers share [one for every 100 workers]
          --nimbus on|off       the reader: all workers one after another every 10 s [on]
        """;
    private static final int WORKERS_A_SESSION = 100;
    private static final int MOST_SESSIONS = 10_000;

    private final Map<String, String> values = new HashMap<>();

    final String server;
    final Path plan;
    final long intervalUs;
    final long warmupUs;
    final long durationUs;
    /** 0: none. */
    final long serverPid;
    final boolean nimbus;

    Options(String[] arguments) {
        for (int index = 0; index < arguments.length; index += 2) {
            if (index + 1 == arguments.length) {
                throw new Usage(arguments[index] + " is unknown or lacks its value; --help lists the options");
            }
            values.put(arguments[index], arguments[index + 1]);
        }
        server = hostAndPort(required("--server", "HOST:PORT"));
        plan = Path.of(required("--plan", "FILE"));
        intervalUs = number("--interval-ms", 3000, 1, 3_600_000) * 1000;
        warmupUs = number("--warmup-s", 10, 0, 86_400) * 1_000_000;
        durationUs = number("--duration-s", 60, 1, 86_400) * 1_000_000;
        serverPid = number("--server-pid", 0, 1, Integer.MAX_VALUE);
        nimbus = switch (values.getOrDefault("--nimbus", "on")) {
            case "on" -> true;
            case "off" -> false;
            default -> throw new Usage("--nimbus is on or off, not \"" + values.get("--nimbus") + "\"");
        };
        // Nonsense is found here, though the number of workers is known only later.
        sessions(1);
        values.remove("--nimbus");
        for (String option : values.keySet()) {
            if (!option.equals("--sessions")) {
                throw new Usage("unknown option " + option + "; --help lists the options");
            }
        }
    }

    int sessions(int workers) {
        int otherwise = (workers + WORKERS_A_SESSION - 1) / WORKERS_A_SESSION;
        String text = values.get("--sessions");
        return text == null ? otherwise : (int) parse("--sessions", text, 1, MOST_SESSIONS);
    }

    private String required(String option, String what) {
        String value = values.remove(option);
        if (value == null) {
            throw new Usage("no " + option + " " + what + "; --help lists the options");
        }
        return value;
    }

    private long number(String option, long otherwise, long least, long most) {
        String text = values.remove(option);
        return text == null ? otherwise : parse(option, text, least, most);
    }

    private static long parse(String option, String text, long least, long most) {
        try {
            long number = Long.parseLong(text);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException notANumber) {
            // Said below.
        }
        throw new Usage(option + " is a number from " + least + " to " + most + ", not \"" + text + "\"");
    }

    private static String hostAndPort(String text) {
        int colon = text.lastIndexOf(':');
        if (colon < 1) {
            throw new Usage("--server is HOST:PORT, not \"" + text + "\"");
        }
        parse("the port of --server", text.substring(colon + 1), 1, 65_535);
        return text;
    }
}
