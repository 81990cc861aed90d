package pacemaker.zookeeper;

import java.io.File;
import java.io.IOException;
import org.apache.zookeeper.server.PurgeTxnLog;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;
import org.apache.zookeeper.server.quorum.QuorumPeerMain;

/**
 * ZooKeeper's own main program, and a purge that comes often enough. ZooKeeper counts its purge interval
 * in hours, and in one hour of heartbeats its log grows by a hundred gigabytes or more.
 */
public final class Server {
    /** Longer than a measurement, so that none has it in its window. */
    private static final long PURGE_EVERY_MS = 10 * 60 * 1000;

    private Server() {
    }

    public static void main(String[] arguments) throws QuorumPeerConfig.ConfigException {
        if (arguments.length != 1) {
            System.err.println("usage: Server SETTINGS_FILE");
            System.exit(2);
        }
        QuorumPeerConfig settings = new QuorumPeerConfig();
        settings.parse(arguments[0]);
        Thread purge = new Thread(() -> purge(settings), "purge");
        purge.setDaemon(true);
        purge.start();
        QuorumPeerMain.main(arguments);
    }

    private static void purge(QuorumPeerConfig settings) {
        File log = settings.getDataLogDir();
        File snapshots = settings.getDataDir();
        while (true) {
            try {
                Thread.sleep(PURGE_EVERY_MS);
                PurgeTxnLog.purge(log, snapshots, settings.getSnapRetainCount());
            } catch (InterruptedException interrupted) {
                return;
            } catch (IOException failed) {
                System.err.println("purge of " + log + ": " + failed + "; expected to delete old logs there");
            }
        }
    }
}
