package pacemaker.drive;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;

/** Assertions whose messages say what was expected and what came. */
public final class Expect {
    /** The server (or the cluster) did not do what it must. Ends the program with exit code 1. */
    public static class Failed extends RuntimeException {
        protected Failed(String message) {
            super(message);
        }
    }

    private static final int SHOWN_BYTES = 24;

    private Expect() {
    }

    public static Failed failed(String message) {
        return new Failed(message);
    }

    public static void that(boolean holds, String expectation) {
        if (!holds) {
            throw failed("expected: " + expectation);
        }
    }

    public static void equal(String what, Object expected, Object came) {
        if (!Objects.equals(expected, came)) {
            throw failed(what + ": expected " + expected + ", came " + came);
        }
    }

    public static void bytes(String what, byte[] expected, byte[] came) {
        if (!Arrays.equals(expected, came)) {
            throw failed(what + ": expected " + show(expected) + ", came " + show(came) + difference(expected, came));
        }
    }

    private static String difference(byte[] expected, byte[] came) {
        if (expected == null || came == null) {
            return "";
        }
        return ", first difference at byte " + Arrays.mismatch(expected, came);
    }

    private static String show(byte[] bytes) {
        if (bytes == null) {
            return "nothing";
        }
        String start = HexFormat.of().formatHex(bytes, 0, Math.min(bytes.length, SHOWN_BYTES));
        return bytes.length + " bytes " + start + (bytes.length > SHOWN_BYTES ? "..." : "");
    }
}
