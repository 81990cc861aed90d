package pacemaker.drive;

import java.util.List;
import org.apache.storm.generated.HBMessage;

/** One Storm client, however its version makes it. The message classes are the same in all versions. */
public interface PacemakerConnection extends AutoCloseable {
    /** Sends to the one server this client has settled on, and waits for the answer. */
    HBMessage send(HBMessage request) throws Exception;

    /** Sends to every server; one answer for each. */
    List<HBMessage> sendAll(HBMessage request) throws Exception;

    @Override
    void close();
}
