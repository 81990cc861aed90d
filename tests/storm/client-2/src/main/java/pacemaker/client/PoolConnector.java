package pacemaker.client;

import java.util.List;
import java.util.Map;
import org.apache.storm.generated.HBMessage;
import org.apache.storm.pacemaker.PacemakerClientPool;
import org.apache.storm.utils.Utils;
import org.apache.storm.utils.VersionInfo;
import pacemaker.drive.Login;
import pacemaker.drive.PacemakerConnection;
import pacemaker.drive.PacemakerConnector;

/** Makes clients of Storm 2.x. */
public final class PoolConnector implements PacemakerConnector {
    @Override
    public PacemakerConnection connect(List<String> hosts, int port, Login login) throws Exception {
        Map<String, Object> conf = Utils.readDefaultConfig();
        conf.putAll(settings(hosts, port, login));
        if (VersionInfo.getVersion().equals("2.0.0")) {
            return new Pool(RacingConnect.pool(conf));
        }
        // One attempt: trying again could hide a fault of the server.
        return new Pool(new PacemakerClientPool(conf));
    }

    @Override
    public boolean knowsSeveralServers() {
        return true;
    }

    /** The settings that lead Storm to those servers. */
    public static Map<String, Object> settings(List<String> hosts, int port, Login login) {
        Map<String, Object> settings = login.settings();
        settings.put("pacemaker.servers", hosts);
        settings.put("pacemaker.port", port);
        settings.put("pacemaker.client.max.threads", 2);
        settings.put("pacemaker.thrift.message.size.max", 10485760);
        return settings;
    }

    private record Pool(PacemakerClientPool pool) implements PacemakerConnection {
        @Override
        public HBMessage send(HBMessage request) throws Exception {
            return pool.send(request);
        }

        @Override
        public List<HBMessage> sendAll(HBMessage request) throws Exception {
            return pool.sendAll(request);
        }

        /** Left to the end of the JVM: Storm's own close waits 2 s for nothing, and in 2.2 to 2.4 logs an error. */
        @Override
        public void close() {
        }
    }
}
