package pacemaker.zookeeper;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * What a simulated pulse holds: a stamp (run, worker, sequence number) and a body that follows from the
 * stamp. No two pulses are alike, none compresses, and a reader can prove every byte of one.
 */
final class Payload {
    /** The stamp, and enough of a body that no accident passes for it. */
    static final int LEAST_BYTES = 40;
    private static final int STAMP_BYTES = 32;
    private static final long MAGIC = 0x7a6f6f6b656570L;

    private Payload() {
    }

    static byte[] of(long run, int worker, int sequence, int bytes) {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        buffer.putLong(MAGIC).putLong(run).putInt(worker).putInt(sequence).putLong(bytes);
        // SplitMix64: a counter, mixed.
        long state = mix(mix(run) ^ ((long) worker << 32 | sequence));
        while (buffer.remaining() >= Long.BYTES) {
            state += 0x9e3779b97f4a7c15L;
            buffer.putLong(mix(state));
        }
        long last = mix(state + 0x9e3779b97f4a7c15L);
        while (buffer.hasRemaining()) {
            buffer.put((byte) last);
            last >>>= 8;
        }
        return buffer.array();
    }

    /**
     * Judges what a read has returned.
     *
     * @param acknowledged the last sequence number that was acknowledged before the reader asked
     * @return null if it can be true
     */
    static ErrorKind judge(byte[] details, long run, int worker, int acknowledged) {
        if (details == null || details.length < LEAST_BYTES) {
            return ErrorKind.CORRUPT;
        }
        ByteBuffer stamp = ByteBuffer.wrap(details, Long.BYTES, STAMP_BYTES - Long.BYTES);
        long itsRun = stamp.getLong();
        int itsWorker = stamp.getInt();
        int itsSequence = stamp.getInt();
        if (!Arrays.equals(details, of(itsRun, itsWorker, itsSequence, details.length))) {
            return ErrorKind.CORRUPT;
        }
        if (itsWorker != worker) {
            return ErrorKind.FOREIGN;
        }
        // A pulse of an earlier run is older than any of this one.
        int age = itsRun == run ? itsSequence : 0;
        return age < acknowledged ? ErrorKind.STALE : null;
    }

    private static long mix(long value) {
        value = (value ^ value >>> 30) * 0xbf58476d1ce4e5b9L;
        value = (value ^ value >>> 27) * 0x94d049bb133111ebL;
        return value ^ value >>> 31;
    }
}
