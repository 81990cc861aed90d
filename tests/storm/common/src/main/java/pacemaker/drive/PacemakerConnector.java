package pacemaker.drive;

import java.util.List;

/** What differs between the generations of Storm's client: how to make one. */
public interface PacemakerConnector {
    PacemakerConnection connect(List<String> hosts, int port, Login login) throws Exception;

    /** Whether one client can be given more than one server (not before Storm 1.1). */
    boolean knowsSeveralServers();
}
