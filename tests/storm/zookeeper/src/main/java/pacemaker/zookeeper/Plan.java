package pacemaker.zookeeper;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The workers of a plan file, as {@code loadgen plan} prints it. */
record Plan(List<Line> workers) {
    /** Where workers' pulses live; what Nimbus lists. */
    static final String ROOT = "/workerbeats";
    /** The heap of due pulses packs a worker's number into 20 bits. */
    static final int MOST_WORKERS = 1 << 20;
    /** ZooKeeper refuses larger requests (jute.maxbuffer, 1 MiB with the key). */
    private static final int MOST_BYTES = 1_000_000;

    record Line(String key, long firstPulseUs, int payloadBytes) {
        /** Its directory below {@link #ROOT}. */
        String topology() {
            return key.substring(ROOT.length() + 1, key.lastIndexOf('/'));
        }
    }

    static Plan read(Path file) throws IOException {
        List<Line> workers = new ArrayList<>();
        Set<String> keys = new HashSet<>();
        for (String text : Files.readAllLines(file)) {
            String place = file + ", line " + (workers.size() + 1) + ": ";
            Line line = line(place, text);
            if (!keys.add(line.key)) {
                throw new Usage(place + "the key " + line.key + " was there before; expected one line a worker");
            }
            workers.add(line);
        }
        if (workers.isEmpty() || workers.size() > MOST_WORKERS) {
            throw new Usage(file + ": " + workers.size() + " workers; expected 1 to " + MOST_WORKERS);
        }
        return new Plan(workers);
    }

    private static Line line(String place, String text) {
        String[] fields = text.split("\t", -1);
        if (fields.length != 3) {
            throw new Usage(place + fields.length + " fields; expected key, first_pulse_us, payload_bytes");
        }
        if (!fields[0].matches(ROOT + "/[^/]+/[^/]+")) {
            throw new Usage(place + "key is \"" + fields[0] + "\"; expected " + ROOT + "/TOPOLOGY/WORKER");
        }
        long firstPulseUs = number(place + "first_pulse_us", fields[1], 0, 86_400_000_000L);
        long payloadBytes = number(place + "payload_bytes", fields[2], Payload.LEAST_BYTES, MOST_BYTES);
        return new Line(fields[0], firstPulseUs, (int) payloadBytes);
    }

    private static long number(String place, String text, long least, long most) {
        try {
            long number = Long.parseLong(text);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException notANumber) {
            // Said below.
        }
        throw new Usage(place + " is \"" + text + "\"; expected a number from " + least + " to " + most);
    }

    /** Bytes of a pulse, the mean if they differ. */
    long payloadBytes() {
        return Math.round(workers.stream().mapToInt(Line::payloadBytes).average().orElseThrow());
    }

    Set<String> topologies() {
        Set<String> topologies = new HashSet<>();
        workers.forEach(line -> topologies.add(line.topology()));
        return topologies;
    }
}
