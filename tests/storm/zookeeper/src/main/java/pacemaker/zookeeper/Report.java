package pacemaker.zookeeper;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a run comes to. Fields that mean the same as in loadgen's report have its names. */
final class Report {
    /** Rules of loadgen's report: later than this, or busier, and the driver measures itself. */
    private static final long LATENESS_P99_US = 50_000;
    private static final double BUSY = 0.95;

    private final Options options;
    private final Plan plan;
    private final Tally tally;
    private final Meter server;
    private final Meter driver;

    /** The meters are null if nothing was measured. */
    Report(Options options, Plan plan, Tally tally, Meter server, Meter driver) {
        this.options = options;
        this.plan = plan;
        this.tally = tally;
        this.server = server;
        this.driver = driver;
    }

    boolean passed() {
        return errorsTotal() == 0 && tally.acknowledged.sum() > 0;
    }

    String json() {
        List<String> doubts = doubts();
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("passed", passed());
        report.put("valid", doubts.isEmpty());
        report.put("invalid_because", doubts);
        report.put("run", run());
        report.put("pulses", pulses());
        report.put("times", times());
        report.put("errors", errors());
        report.put("driver", driver());
        report.put("server", server());
        return Json.of(report);
    }

    /** Why the numbers may not be the server's. */
    private List<String> doubts() {
        List<String> doubts = new ArrayList<>();
        long lateUs = tally.lateness.at(99);
        if (lateUs > LATENESS_P99_US) {
            doubts.add("the driver was late: " + lateUs / 1000 + " ms at the 99th percentile (limit "
                + LATENESS_P99_US / 1000 + " ms)");
        }
        if (measured(driver) && driver.busy() > BUSY * driver.atEnd().cores()) {
            doubts.add(String.format("the driver used %.2f of its %d cores (limit %.2f)",
                driver.busy(), driver.atEnd().cores(), BUSY * driver.atEnd().cores()));
        }
        if (options.serverPid != 0 && server != null && !server.measured()) {
            doubts.add("the process of --server-pid was gone before the end");
        }
        if (tally.acknowledged.sum() == 0) {
            doubts.add("no pulse of the window was acknowledged");
        }
        return doubts;
    }

    private Map<String, Object> run() {
        Map<String, Object> run = new LinkedHashMap<>();
        run.put("targets", List.of(options.server));
        run.put("workers", plan.workers().size());
        run.put("topologies", plan.topologies().size());
        run.put("interval_us", options.intervalUs);
        run.put("payload_bytes", plan.payloadBytes());
        run.put("sessions", options.sessions(plan.workers().size()));
        run.put("nimbus", options.nimbus ? "every 10 s" : "off");
        run.put("warmup_us", options.warmupUs);
        run.put("window_us", options.durationUs);
        return run;
    }

    private Map<String, Object> pulses() {
        Map<String, Object> pulses = new LinkedHashMap<>();
        pulses.put("planned", tally.planned.sum());
        pulses.put("sent", tally.sent.sum());
        pulses.put("acknowledged", tally.acknowledged.sum());
        pulses.put("per_second", tally.acknowledged.sum() * 1e6 / options.durationUs);
        return pulses;
    }

    private Map<String, Object> times() {
        Map<String, Object> times = new LinkedHashMap<>();
        times.put("pulse", tally.pulse.summary());
        times.put("get", tally.get.summary());
        times.put("list", tally.list.summary());
        times.put("pass", tally.pass.summary());
        times.put("lateness", tally.lateness.summary());
        return times;
    }

    private Map<String, Object> errors() {
        Map<String, Object> kinds = new LinkedHashMap<>();
        for (ErrorKind kind : ErrorKind.values()) {
            kinds.put(kind.label(), tally.errors(kind));
        }
        Map<String, Object> errors = new LinkedHashMap<>();
        errors.put("total", errorsTotal());
        errors.put("kinds", kinds);
        errors.put("reasons", tally.reasons());
        return errors;
    }

    private Map<String, Object> driver() {
        if (!measured(driver)) {
            return null;
        }
        Map<String, Object> use = new LinkedHashMap<>();
        use.put("busy", driver.busy());
        use.put("cores", driver.atEnd().cores());
        return use;
    }

    private Map<String, Object> server() {
        if (!measured(server)) {
            return null;
        }
        Map<String, Object> use = new LinkedHashMap<>();
        long pulses = tally.acknowledged.sum();
        use.put("cpu_us_per_pulse", pulses == 0 ? null : server.cpuUs() / pulses);
        use.put("busy", server.busy());
        use.put("cores", server.atEnd().cores());
        use.put("resident_bytes", server.atEnd().residentBytes());
        use.put("peak_resident_bytes", server.atEnd().peakResidentBytes());
        return use;
    }

    private static boolean measured(Meter meter) {
        return meter != null && meter.measured();
    }

    private long errorsTotal() {
        long total = 0;
        for (ErrorKind kind : ErrorKind.values()) {
            total += tally.errors(kind);
        }
        return total;
    }
}
