package pacemaker.drive;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The command line: {@code <scenario> --servers host:port[,host:port...] [--flag] [--number N] [--auth METHOD] [--login-config FILE]}. */
public final class Options {
    /** The command line makes no sense. Ends the program with exit code 2. */
    public static final class Unusable extends RuntimeException {
        Unusable(String message) {
            super(message);
        }
    }

    public static final String EXPECT_RECORDS = "--expect-records";
    public static final String EXPECT_LIST_BOUNDARY = "--expect-list-boundary";
    public static final String EXPECT_KEPT = "--expect-kept";
    public static final String BRIEF = "--brief";
    public static final String DEADLINE_SECONDS = "--deadline-seconds";
    public static final String WITHIN_MS = "--within-ms";
    public static final String WORKERS = "--workers";
    public static final String TASK_TIMEOUT_SECONDS = "--task-timeout-seconds";
    public static final String WATCH_SECONDS = "--watch-seconds";
    public static final String RESTARTS = "--restarts";
    private static final String AUTH = "--auth";
    private static final String LOGIN_CONFIG = "--login-config";
    private static final Set<String> FLAGS = Set.of(EXPECT_RECORDS, EXPECT_LIST_BOUNDARY, EXPECT_KEPT, BRIEF);
    private static final Set<String> NUMBERS =
        Set.of(DEADLINE_SECONDS, WITHIN_MS, WORKERS, TASK_TIMEOUT_SECONDS, WATCH_SECONDS, RESTARTS);

    private final String scenario;
    private final List<String> hosts = new ArrayList<>();
    private int port;
    private final Set<String> flags = new HashSet<>();
    private final Map<String, Integer> numbers = new HashMap<>();
    private String auth = Login.NONE.method();
    private String loginConfig;

    public Options(String[] arguments) {
        if (arguments.length == 0) {
            throw unusable("no scenario");
        }
        scenario = arguments[0];
        for (int index = 1; index < arguments.length; index++) {
            String option = arguments[index];
            if (FLAGS.contains(option)) {
                flags.add(option);
                continue;
            }
            if (index + 1 == arguments.length) {
                throw unusable(option + " is unknown or lacks its value");
            }
            index++;
            if (option.equals("--servers")) {
                readServers(arguments[index]);
            } else if (option.equals(AUTH)) {
                auth = arguments[index];
            } else if (option.equals(LOGIN_CONFIG)) {
                loginConfig = arguments[index];
            } else if (NUMBERS.contains(option)) {
                numbers.put(option, Integer.parseInt(arguments[index]));
            } else {
                throw unusable("unknown option " + option);
            }
        }
        if (hosts.isEmpty()) {
            throw unusable("no --servers host:port[,host:port...]");
        }
    }

    public static Unusable unusable(String message) {
        return new Unusable(message);
    }

    public String scenario() {
        return scenario;
    }

    public List<String> hosts() {
        return hosts;
    }

    public int port() {
        return port;
    }

    public boolean has(String flag) {
        return flags.contains(flag);
    }

    public int number(String option, int otherwise) {
        return numbers.getOrDefault(option, otherwise);
    }

    /** How all clients log in, except those of a scenario that is about logins. */
    public Login login() {
        return new Login(auth, loginConfig);
    }

    private void readServers(String servers) {
        for (String server : servers.split(",")) {
            int colon = server.lastIndexOf(':');
            if (colon < 1) {
                throw unusable("not host:port: " + server);
            }
            int itsPort = Integer.parseInt(server.substring(colon + 1));
            // Storm has one setting for the port of all its Pacemaker servers.
            if (!hosts.isEmpty() && itsPort != port) {
                throw unusable("all servers must have the same port");
            }
            port = itsPort;
            hosts.add(server.substring(0, colon));
        }
    }
}
