package pacemaker.drive;

import java.util.Map;

/** Bounds a program's whole run: at its deadline it prints every thread's stack and ends the JVM with exit code 3. */
public final class Watchdog {
    private static final int EXIT_CODE = 3;

    private Watchdog() {
    }

    public static void start(String what, long seconds) {
        Thread thread = new Thread(() -> {
            try {
                Thread.sleep(seconds * 1000);
            } catch (InterruptedException impossible) {
                return;
            }
            System.err.println("DEADLINE " + what + ": not done after " + seconds + " s");
            dumpThreads();
            System.err.flush();
            // Not exit(): shutdown hooks may hang for the same reason as the program does.
            Runtime.getRuntime().halt(EXIT_CODE);
        }, "watchdog");
        thread.setDaemon(true);
        thread.start();
    }

    private static void dumpThreads() {
        for (Map.Entry<Thread, StackTraceElement[]> entry : Thread.getAllStackTraces().entrySet()) {
            System.err.println("\"" + entry.getKey().getName() + "\" " + entry.getKey().getState());
            for (StackTraceElement frame : entry.getValue()) {
                System.err.println("    at " + frame);
            }
        }
    }
}
