package pacemaker.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Removes a directory with all that is in it. */
final class Scratch {
    private static final int ATTEMPTS = 5;

    private Scratch() {
    }

    /** Tries more than once: threads of a cluster that is going down may still write. What cannot be removed stays. */
    static void delete(Path directory) {
        for (int attempt = 0; attempt < ATTEMPTS && Files.exists(directory); attempt++) {
            try (Stream<Path> found = Files.walk(directory)) {
                List<Path> deepestFirst = found.sorted(Comparator.reverseOrder()).toList();
                for (Path path : deepestFirst) {
                    Files.deleteIfExists(path);
                }
            } catch (IOException changing) {
                // Next attempt.
            }
        }
    }
}
