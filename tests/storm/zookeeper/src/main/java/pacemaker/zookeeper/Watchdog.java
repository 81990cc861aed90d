package pacemaker.zookeeper;

import java.util.Map;

/** Ends the program when it should have ended long ago, whatever it waits for. */
final class Watchdog {
    private Watchdog() {
    }

    static void start(long deadlineMs) {
        Thread thread = new Thread(() -> {
            try {
                Thread.sleep(deadlineMs);
            } catch (InterruptedException interrupted) {
                return;
            }
            System.err.println("zookeeper-load: not at its end after " + deadlineMs / 1000 + " s; all stacks:");
            for (Map.Entry<Thread, StackTraceElement[]> stack : Thread.getAllStackTraces().entrySet()) {
                System.err.println(stack.getKey().getName());
                for (StackTraceElement frame : stack.getValue()) {
                    System.err.println("    " + frame);
                }
            }
            Runtime.getRuntime().halt(1);
        }, "watchdog");
        thread.setDaemon(true);
        thread.start();
    }
}
