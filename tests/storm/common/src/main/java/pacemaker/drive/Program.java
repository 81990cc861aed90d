package pacemaker.drive;

import java.util.Map;
import java.util.TreeMap;
import pacemaker.scenario.Basic;
import pacemaker.scenario.InFlight;
import pacemaker.scenario.Large;
import pacemaker.scenario.Logins;
import pacemaker.scenario.Reconnect;
import pacemaker.scenario.Threads;
import pacemaker.scenario.TwoServers;

/** What every main method calls: runs one scenario, bounded in time, and ends the JVM with 0, 1 (failed), 2 (usage) or 3 (deadline). */
public final class Program {
    private Program() {
    }

    /** The scenarios that need nothing but a client. */
    public static Map<String, Scenario> clientScenarios() {
        return new TreeMap<>(Map.of(
            "basic", new Basic(),
            "inflight", new InFlight(),
            "threads", new Threads(),
            "large", new Large(),
            "logins", new Logins(),
            "two-servers", new TwoServers(),
            "reconnect", new Reconnect()));
    }

    public static void run(String[] arguments, PacemakerConnector connector, Map<String, Scenario> scenarios) {
        int exitCode;
        try {
            exitCode = attempt(arguments, connector, scenarios);
        } catch (Options.Unusable | NumberFormatException mistake) {
            System.err.println("usage: <scenario> --servers host:port[,host:port...] [...]: " + mistake.getMessage());
            System.err.println("scenarios: " + scenarios.keySet());
            exitCode = 2;
        }
        System.err.flush();
        // Storm's clients leave threads behind that would keep the JVM alive.
        System.exit(exitCode);
    }

    private static int attempt(String[] arguments, PacemakerConnector connector, Map<String, Scenario> scenarios) {
        Options options = new Options(arguments);
        Scenario scenario = scenarios.get(options.scenario());
        if (scenario == null) {
            throw Options.unusable("no scenario " + options.scenario());
        }
        Watchdog.start(options.scenario(), options.number(Options.DEADLINE_SECONDS, scenario.deadlineSeconds()));
        Context context = new Context(options, connector);
        try {
            scenario.run(context);
        } catch (Options.Unusable mistake) {
            throw mistake;
        } catch (Expect.Failed failure) {
            System.err.println("FAILED " + options.scenario() + ": " + failure.getMessage());
            return 1;
        } catch (Throwable failure) {
            System.err.println("FAILED " + options.scenario() + ": " + failure);
            failure.printStackTrace();
            return 1;
        }
        context.handshake().say("PASSED " + options.scenario());
        return 0;
    }
}
