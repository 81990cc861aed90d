package pacemaker.sasl;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import pacemaker.drive.Expect;

/** The few frames of Pacemaker's protocol that a login and a read need: Thrift's binary protocol, by hand. */
final class Wire implements AutoCloseable {
    static final short ASK_FOR_TOKEN = -202;
    static final short COMPLETE = -203;
    private static final short TOKEN = -500;

    private static final int GET_PULSE = 10;
    private static final int GET_PULSE_RESPONSE = 11;
    private static final int CONTROL_MESSAGE = 16;
    private static final int SASL_MESSAGE_TOKEN = 17;
    private static final int NOT_AUTHORIZED = 18;

    private static final byte STOP = 0;
    private static final byte I32 = 8;
    private static final byte STRING = 11;
    private static final byte STRUCT = 12;

    private static final int TIMEOUT_MS = 20_000;

    private final Socket socket = new Socket();
    private final DataInputStream input;
    private final DataOutputStream output;

    Wire(String server) throws IOException {
        String[] parts = server.split(":");
        socket.connect(new InetSocketAddress(parts[0], Integer.parseInt(parts[1])), TIMEOUT_MS);
        socket.setSoTimeout(TIMEOUT_MS);
        socket.setTcpNoDelay(true);
        input = new DataInputStream(socket.getInputStream());
        output = new DataOutputStream(socket.getOutputStream());
    }

    void sendControl(short code) throws IOException {
        send(CONTROL_MESSAGE, 7, ByteBuffer.allocate(2).putShort(code).array(), -1);
    }

    void sendToken(byte[] token) throws IOException {
        send(SASL_MESSAGE_TOKEN, 7, ByteBuffer.allocate(6 + token.length).putShort(TOKEN).putInt(token.length).put(token).array(), -1);
    }

    void askForPulse(String path) throws IOException {
        send(GET_PULSE, 1, path.getBytes(StandardCharsets.UTF_8), 1);
    }

    /** A message whose data is one string or blob. */
    private void send(int type, int field, byte[] value, int id) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream body = new DataOutputStream(bytes);
        field(body, I32, 1).writeInt(type);
        field(body, STRUCT, 2);
        field(body, STRING, field).writeInt(value.length);
        body.write(value);
        body.writeByte(STOP);
        if (id >= 0) {
            field(body, I32, 3).writeInt(id);
        }
        body.writeByte(STOP);
        output.writeInt(bytes.size());
        output.write(bytes.toByteArray());
        output.flush();
    }

    private static DataOutputStream field(DataOutputStream body, byte type, int id) throws IOException {
        body.writeByte(type);
        body.writeShort(id);
        return body;
    }

    /** The next message, or null if the server has ended the connection. */
    Frame receive() throws IOException {
        int length;
        try {
            length = input.readInt();
        } catch (EOFException end) {
            return null;
        }
        return new Frame(ByteBuffer.wrap(input.readNBytes(length)));
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    /** A message of the server: its type, and the string or blob in its data that came last, if any. */
    static final class Frame {
        private int type = -1;
        /** The number of the field that {@code value} was in. */
        private int field = -1;
        private byte[] value;

        Frame(ByteBuffer body) {
            struct(body, 0);
        }

        private void struct(ByteBuffer body, int depth) {
            for (byte kind = body.get(); kind != STOP; kind = body.get()) {
                int id = body.getShort();
                switch (kind) {
                    case I32 -> {
                        int number = body.getInt();
                        if (depth == 0 && id == 1) {
                            type = number;
                        }
                    }
                    case STRING -> {
                        value = new byte[body.getInt()];
                        body.get(value);
                        field = id;
                    }
                    case STRUCT -> struct(body, depth + 1);
                    default -> throw Expect.failed("a field that answers to a login or GET_PULSE have, came type " + kind);
                }
            }
        }

        boolean isControl(short code) {
            return type == CONTROL_MESSAGE && ByteBuffer.wrap(value).getShort() == code;
        }

        boolean isNotAuthorized() {
            return type == NOT_AUTHORIZED;
        }

        byte[] token() {
            Expect.equal("type of the answer to a token", SASL_MESSAGE_TOKEN, type);
            ByteBuffer blob = ByteBuffer.wrap(value);
            Expect.equal("code of a token", TOKEN, blob.getShort());
            byte[] token = new byte[blob.getInt()];
            blob.get(token);
            return token;
        }

        /** The details of a pulse, or null if it has none. */
        byte[] details() {
            Expect.equal("type of the answer to GET_PULSE", GET_PULSE_RESPONSE, type);
            return field == 2 ? value : null;
        }
    }
}
