package pacemaker.client;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.storm.generated.HBMessage;
import org.apache.storm.generated.HBMessageData;
import org.apache.storm.generated.HBServerMessageType;
import org.apache.storm.pacemaker.PacemakerClient;
import org.apache.storm.utils.Utils;
import pacemaker.drive.Login;
import pacemaker.drive.Options;
import pacemaker.drive.PacemakerConnection;
import pacemaker.drive.PacemakerConnector;

/** Makes clients of Storm 1.0, which know one server. */
public final class HostConnector implements PacemakerConnector {
    private static final int ATTEMPTS = 5;
    private static final long CONNECT_MS = 100;

    @Override
    public PacemakerConnection connect(List<String> hosts, int port, Login login) throws InterruptedException {
        if (hosts.size() != 1) {
            throw Options.unusable("Storm 1.0 knows one Pacemaker server, not " + hosts);
        }
        Map<Object, Object> conf = new HashMap<>(Utils.readDefaultConfig());
        conf.put("pacemaker.host", hosts.get(0));
        conf.put("pacemaker.port", port);
        conf.putAll(login.settings());
        PacemakerClient client = new PacemakerClient(conf);
        awaitReady(client);
        return new Host(client);
    }

    /**
     * A message that overtakes the connect fails ("Timed out waiting for channel ready"); Storm's own callers try
     * again, too. Without a login the client takes itself for ready before it is connected, and such a message then
     * makes it connect anew, which the next one may overtake again: so each waits a moment.
     */
    private static void awaitReady(PacemakerClient client) throws InterruptedException {
        for (int attempt = 1; ; attempt++) {
            try {
                Thread.sleep(CONNECT_MS);
                client.send(new HBMessage(HBServerMessageType.CREATE_PATH, HBMessageData.path("/connect")));
                return;
            } catch (RuntimeException notReady) {
                if (attempt == ATTEMPTS) {
                    throw notReady;
                }
            }
        }
    }

    @Override
    public boolean knowsSeveralServers() {
        return false;
    }

    private record Host(PacemakerClient client) implements PacemakerConnection {
        @Override
        public HBMessage send(HBMessage request) {
            return client.send(request);
        }

        @Override
        public List<HBMessage> sendAll(HBMessage request) {
            return List.of(client.send(request));
        }

        @Override
        public void close() {
            client.close();
        }
    }
}
