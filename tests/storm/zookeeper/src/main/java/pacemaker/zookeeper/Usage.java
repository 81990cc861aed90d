package pacemaker.zookeeper;

/** The command line or the plan makes no sense. Ends the program with exit code 2. */
final class Usage extends RuntimeException {
    Usage(String message) {
        super(message);
    }
}
