package pacemaker.drive;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** The conversation with the test that started this program: lines on stdout and stdin, one word first. */
public final class Handshake {
    private static final String END = "\0end of stdin";
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();

    public void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    /** Starts to read stdin. Only scenarios that are told things call it, so the others run without a stdin. */
    public void listen() {
        Thread thread = new Thread(this::read, "stdin");
        thread.setDaemon(true);
        thread.start();
    }

    /** Waits for that line. The end of stdin fails: it means that the test has gone. */
    public void await(String expected) throws InterruptedException {
        check(expected, lines.take());
    }

    /** Waits for a line that says what to do next. */
    public String next() throws InterruptedException {
        String line = lines.take();
        Expect.that(!line.equals(END), "a line on stdin, came its end");
        return line;
    }

    /** Whether that line has come within the given time. */
    public boolean awaitFor(String expected, long milliseconds) throws InterruptedException {
        String line = lines.poll(milliseconds, TimeUnit.MILLISECONDS);
        if (line == null) {
            return false;
        }
        check(expected, line);
        return true;
    }

    private static void check(String expected, String line) {
        Expect.equal("line on stdin", expected, line.equals(END) ? "its end" : line);
    }

    private void read() {
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                lines.add(line.trim());
            }
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        } finally {
            lines.add(END);
        }
    }
}
