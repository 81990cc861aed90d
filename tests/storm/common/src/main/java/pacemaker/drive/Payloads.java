package pacemaker.drive;

import java.util.Random;

/** Pulse details: bytes that nothing can compress or mistake for others, the same for the same seed. */
public final class Payloads {
    private Payloads() {
    }

    public static byte[] of(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }
}
