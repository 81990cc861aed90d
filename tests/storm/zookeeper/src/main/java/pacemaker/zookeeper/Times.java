package pacemaker.zookeeper;

import java.util.LinkedHashMap;
import java.util.Map;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/** A histogram of microseconds, to three digits, that several threads may write to. */
final class Times {
    private static final long LONGEST_US = 600_000_000;
    private final Histogram histogram = new ConcurrentHistogram(1, LONGEST_US, 3);

    void record(long us) {
        histogram.recordValue(Math.max(0, Math.min(us, LONGEST_US)));
    }

    /** As in loadgen's report; null if there is nothing in it. */
    Map<String, Object> summary() {
        if (histogram.getTotalCount() == 0) {
            return null;
        }
        Map<String, Object> summary = new LinkedHashMap<>();
        summary.put("count", histogram.getTotalCount());
        summary.put("p50_us", at(50));
        summary.put("p90_us", at(90));
        summary.put("p99_us", at(99));
        summary.put("p99_9_us", at(99.9));
        summary.put("max_us", histogram.getMaxValue());
        return summary;
    }

    long at(double percentile) {
        return Math.min(histogram.getValueAtPercentile(percentile), histogram.getMaxValue());
    }
}
