package pacemaker.cluster;

import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.storm.generated.StormTopology;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.OutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.topology.base.BaseRichBolt;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Tuple;
import org.apache.storm.tuple.Values;
import org.apache.storm.utils.Utils;

/** The least that counts as a topology: numbers, acknowledged. */
final class CounterTopology {
    /** How often a task of ours was started. The workers are in this JVM, so a worker that was started anew shows here. */
    static final AtomicInteger STARTS = new AtomicInteger();

    private CounterTopology() {
    }

    static StormTopology build(int workers) {
        TopologyBuilder builder = new TopologyBuilder();
        builder.setSpout("numbers", new Numbers(), workers);
        builder.setBolt("ends", new Ends(), workers).shuffleGrouping("numbers");
        return builder.createTopology();
    }

    /** Counts, ten times a second. */
    public static final class Numbers extends BaseRichSpout {
        private transient SpoutOutputCollector collector;
        private long next;

        @Override
        public void open(Map<String, Object> conf, TopologyContext context, SpoutOutputCollector output) {
            collector = output;
            STARTS.incrementAndGet();
        }

        @Override
        public void nextTuple() {
            Utils.sleep(100);
            collector.emit(new Values(next), next);
            next++;
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
            declarer.declare(new Fields("number"));
        }
    }

    /** Acknowledges. */
    public static final class Ends extends BaseRichBolt {
        private transient OutputCollector collector;

        @Override
        public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector output) {
            collector = output;
            STARTS.incrementAndGet();
        }

        @Override
        public void execute(Tuple tuple) {
            collector.ack(tuple);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {
        }
    }
}
