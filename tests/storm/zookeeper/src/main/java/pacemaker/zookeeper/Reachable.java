package pacemaker.zookeeper;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;

/** ZooKeeper's client dials in silence until it is told to stop; a plain dial says why it cannot work. */
final class Reachable {
    private static final int WITHIN_MS = 5000;

    private Reachable() {
    }

    static void check(String server) throws Cluster.NotThere {
        int colon = server.lastIndexOf(':');
        int port = Integer.parseInt(server.substring(colon + 1));
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(server.substring(0, colon), port), WITHIN_MS);
        } catch (IOException failed) {
            throw new Cluster.NotThere(server + ": " + failed + "; expected a ZooKeeper that listens there");
        }
    }
}
