package pacemaker.zookeeper;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** CPU time of each thread of a process on this host, in nanoseconds, and its memory, out of /proc. */
record ProcessUse(Map<String, Long> threads, long residentBytes, long peakResidentBytes, int cores) {

    /** Null if the process is gone. */
    static ProcessUse of(String process) {
        Path directory = Path.of("/proc", process);
        Map<String, Long> threads = new HashMap<>();
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(directory.resolve("task"))) {
            for (Path task : tasks) {
                try {
                    String[] numbers = Files.readString(task.resolve("schedstat")).split(" ");
                    threads.put(task.getFileName().toString(), Long.parseLong(numbers[0]));
                } catch (IOException ended) {
                    // A thread that has ended since is left out.
                }
            }
            Map<String, String> status = new HashMap<>();
            for (String line : Files.readAllLines(directory.resolve("status"))) {
                String[] field = line.split(":\\s*", 2);
                status.put(field[0], field[1]);
            }
            return new ProcessUse(threads, bytes(status, "VmRSS"), bytes(status, "VmHWM"), cores(status));
        } catch (IOException | UncheckedIOException gone) {
            return null;
        } catch (IllegalArgumentException ending) {
            // A process that is ending has a status without its memory.
            return null;
        }
    }

    /** CPU time since an earlier look. What a thread that has ended used after that look is not known. */
    long cpuNsSince(ProcessUse earlier) {
        return threads.entrySet().stream()
            .mapToLong(thread -> thread.getValue() - earlier.threads.getOrDefault(thread.getKey(), 0L))
            .sum();
    }

    private static long bytes(Map<String, String> status, String field) {
        return Long.parseLong(status.getOrDefault(field, "").split(" ")[0]) * 1024;
    }

    private static int cores(Map<String, String> status) {
        return status.get("Cpus_allowed").chars().filter(digit -> digit != ',')
            .map(digit -> Integer.bitCount(Character.digit(digit, 16))).sum();
    }
}
