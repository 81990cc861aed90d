package pacemaker.drive;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.storm.generated.HBMessage;
import org.apache.storm.generated.HBMessageData;
import org.apache.storm.generated.HBPulse;
import org.apache.storm.generated.HBServerMessageType;

/** The requests of the protocol as methods. Each checks that the answer is of the right kind before it returns. */
public final class PulseClient implements AutoCloseable {
    /** What 1.x clients give instead of an answer when they had to send again after a reconnect. Storm's callers then ask again. */
    public static final class NoAnswer extends Exception {
        NoAnswer(String message) {
            super(message);
        }
    }

    /** The server lets nobody read who has not logged in. */
    public static final class NotAuthorized extends Expect.Failed {
        NotAuthorized(String what) {
            super("not authorized: " + what);
        }
    }

    private final PacemakerConnection connection;

    public PulseClient(PacemakerConnection connection) {
        this.connection = connection;
    }

    public void createPath(String path) throws Exception {
        ask(HBServerMessageType.CREATE_PATH, HBMessageData.path(path), HBServerMessageType.CREATE_PATH_RESPONSE);
    }

    public void sendPulse(String path, byte[] details) throws Exception {
        HBPulse pulse = new HBPulse();
        pulse.set_id(path);
        pulse.set_details(details);
        ask(HBServerMessageType.SEND_PULSE, HBMessageData.pulse(pulse), HBServerMessageType.SEND_PULSE_RESPONSE);
    }

    public boolean exists(String path) throws Exception {
        return ask(HBServerMessageType.EXISTS, HBMessageData.path(path), HBServerMessageType.EXISTS_RESPONSE)
            .get_data().get_boolval();
    }

    /** The details stored under that path, or null. */
    public byte[] getPulse(String path) throws Exception {
        return details(path, ask(HBServerMessageType.GET_PULSE, HBMessageData.path(path), HBServerMessageType.GET_PULSE_RESPONSE));
    }

    /** The details that each server has under that path, null for those that have none. */
    public List<byte[]> getPulseFromAll(String path) throws Exception {
        List<byte[]> found = new ArrayList<>();
        for (HBMessage answer : connection.sendAll(request(HBServerMessageType.GET_PULSE, HBMessageData.path(path)))) {
            found.add(details(path, check(answer, "GET_PULSE " + path, HBServerMessageType.GET_PULSE_RESPONSE)));
        }
        return found;
    }

    /** The children of that path. */
    public Set<String> list(String path) throws Exception {
        return children(path, ask(HBServerMessageType.GET_ALL_NODES_FOR_PATH, HBMessageData.path(path),
            HBServerMessageType.GET_ALL_NODES_FOR_PATH_RESPONSE));
    }

    /** The children of that path on each server. */
    public List<Set<String>> listFromAll(String path) throws Exception {
        List<Set<String>> found = new ArrayList<>();
        for (HBMessage answer : connection.sendAll(request(HBServerMessageType.GET_ALL_NODES_FOR_PATH, HBMessageData.path(path)))) {
            found.add(children(path, check(answer, "GET_ALL_NODES_FOR_PATH " + path,
                HBServerMessageType.GET_ALL_NODES_FOR_PATH_RESPONSE)));
        }
        return found;
    }

    /** The pulses below that path by their ids, or null from a server that answers without records, as Storm's does. */
    public Map<String, byte[]> getAllPulses(String path) throws Exception {
        HBMessage answer = ask(HBServerMessageType.GET_ALL_PULSE_FOR_PATH, HBMessageData.path(path),
            HBServerMessageType.GET_ALL_PULSE_FOR_PATH_RESPONSE);
        if (answer.get_data() == null) {
            return null;
        }
        Map<String, byte[]> found = new TreeMap<>();
        for (HBPulse pulse : answer.get_data().get_records().get_pulses()) {
            byte[] twice = found.put(pulse.get_id(), pulse.get_details());
            Expect.that(twice == null, "every record of " + path + " once, but " + pulse.get_id() + " came twice");
        }
        return found;
    }

    public void deletePulse(String path) throws Exception {
        ask(HBServerMessageType.DELETE_PULSE_ID, HBMessageData.path(path), HBServerMessageType.DELETE_PULSE_ID_RESPONSE);
    }

    public void deletePath(String path) throws Exception {
        ask(HBServerMessageType.DELETE_PATH, HBMessageData.path(path), HBServerMessageType.DELETE_PATH_RESPONSE);
    }

    public void deletePathOnAll(String path) throws Exception {
        for (HBMessage answer : connection.sendAll(request(HBServerMessageType.DELETE_PATH, HBMessageData.path(path)))) {
            check(answer, "DELETE_PATH " + path, HBServerMessageType.DELETE_PATH_RESPONSE);
        }
    }

    @Override
    public void close() {
        connection.close();
    }

    private HBMessage ask(HBServerMessageType type, HBMessageData data, HBServerMessageType expected) throws Exception {
        String subject = data.is_set_path() ? data.get_path() : data.get_pulse().get_id();
        return check(connection.send(request(type, data)), type + " " + subject, expected);
    }

    private static HBMessage request(HBServerMessageType type, HBMessageData data) {
        return new HBMessage(type, data);
    }

    private static HBMessage check(HBMessage answer, String what, HBServerMessageType expected) throws NoAnswer {
        if (answer == null) {
            throw new NoAnswer("no answer to " + what);
        }
        if (answer.get_type() == HBServerMessageType.NOT_AUTHORIZED) {
            throw new NotAuthorized(what);
        }
        Expect.equal("type of the answer to " + what, expected, answer.get_type());
        return answer;
    }

    private static byte[] details(String path, HBMessage answer) {
        HBPulse pulse = answer.get_data().get_pulse();
        Expect.equal("id in the answer to GET_PULSE", path, pulse.get_id());
        return pulse.get_details();
    }

    private static Set<String> children(String path, HBMessage answer) {
        List<String> names = answer.get_data().get_nodes().get_pulseIds();
        Set<String> distinct = new TreeSet<>(names);
        Expect.equal("number of distinct children of " + path + " in " + names, names.size(), distinct.size());
        return distinct;
    }
}
