package pacemaker.zookeeper;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;

/** A session that is replaced when the server has given it up, as Storm's client does it. */
final class Session {
    private final String server;
    private final Tally tally;
    private final CountDownLatch connected = new CountDownLatch(1);
    private volatile ZooKeeper client;
    private volatile boolean closing;

    Session(String server, Tally tally) throws IOException {
        this.server = server;
        this.tally = tally;
        client = dial();
    }

    ZooKeeper client() {
        return client;
    }

    boolean awaitConnected(long untilNs) throws InterruptedException {
        return connected.await(untilNs - System.nanoTime(), TimeUnit.NANOSECONDS);
    }

    /** What happens to the connection from here on is no error. */
    void closing() {
        closing = true;
    }

    private ZooKeeper dial() throws IOException {
        ZKClientConfig settings = new ZKClientConfig();
        settings.setProperty(ZKClientConfig.ENABLE_CLIENT_SASL_KEY, "false");
        // Bounds the reader's calls, which wait for their answers; pulses do not wait.
        settings.setProperty(ZKClientConfig.ZOOKEEPER_REQUEST_TIMEOUT, Long.toString(Storm.GIVE_UP_AFTER_US / 1000));
        return new ZooKeeper(server, Storm.SESSION_TIMEOUT_MS, this::changed, settings);
    }

    private void changed(WatchedEvent event) {
        switch (event.getState()) {
            case SyncConnected -> connected.countDown();
            case Disconnected -> count(ErrorKind.CONNECTION_LOST);
            case Expired -> {
                count(ErrorKind.SESSION_EXPIRED);
                try {
                    client = dial();
                } catch (IOException failed) {
                    throw new UncheckedIOException(failed);
                }
            }
            default -> { }
        }
    }

    private void count(ErrorKind kind) {
        if (!closing) {
            tally.error(kind);
        }
    }
}
