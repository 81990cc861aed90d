package pacemaker.client;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.storm.generated.HBMessage;
import org.apache.storm.pacemaker.PacemakerClient;
import org.apache.storm.utils.Utils;
import pacemaker.drive.Expect;
import pacemaker.drive.Login;
import pacemaker.drive.PacemakerConnection;
import pacemaker.drive.PacemakerConnector;

/** Makes clients of Storm 1.1 and 1.2: one for each server, and we choose among them as Storm's pool (written in Clojure) does. */
public final class HostsConnector implements PacemakerConnector {
    private static final int READY_SECONDS = 10;

    @Override
    public PacemakerConnection connect(List<String> hosts, int port, Login login) throws Exception {
        Map<Object, Object> conf = new HashMap<>(Utils.readDefaultConfig());
        conf.put("pacemaker.servers", hosts);
        conf.put("pacemaker.port", port);
        conf.putAll(login.settings());
        List<PacemakerClient> clients = new ArrayList<>();
        for (String host : hosts) {
            PacemakerClient client = new PacemakerClient(conf, host);
            awaitReady(client, host);
            clients.add(client);
        }
        return new Hosts(clients);
    }

    /** A message that overtakes the connect fails; Storm's pool asks no client that is not ready. */
    private static void awaitReady(PacemakerClient client, String host) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(READY_SECONDS);
        while (!client.isReady()) {
            Expect.that(System.nanoTime() < deadline, "a connection to " + host + " within " + READY_SECONDS + " s");
            Thread.sleep(5);
        }
    }

    @Override
    public boolean knowsSeveralServers() {
        return true;
    }

    private record Hosts(List<PacemakerClient> clients) implements PacemakerConnection {
        @Override
        public HBMessage send(HBMessage request) throws Exception {
            return clients.get(0).send(request);
        }

        @Override
        public List<HBMessage> sendAll(HBMessage request) throws Exception {
            List<HBMessage> answers = new ArrayList<>();
            for (PacemakerClient client : clients) {
                answers.add(client.send(request));
            }
            return answers;
        }

        @Override
        public void close() {
            clients.forEach(PacemakerClient::close);
        }
    }
}
