package pacemaker.drive;

import java.util.List;

/** What a scenario works with: the command line, the way to make clients, and the line to the test. */
public final class Context {
    private final Options options;
    private final PacemakerConnector connector;
    private final Handshake handshake = new Handshake();

    public Context(Options options, PacemakerConnector connector) {
        this.options = options;
        this.connector = connector;
    }

    public Options options() {
        return options;
    }

    public PacemakerConnector connector() {
        return connector;
    }

    public Handshake handshake() {
        return handshake;
    }

    /** A client of all the servers on the command line. */
    public PulseClient connect() throws Exception {
        return new PulseClient(connector.connect(options.hosts(), options.port(), options.login()));
    }

    /** A client of one server alone. */
    public PulseClient connectTo(String host) throws Exception {
        return new PulseClient(connector.connect(List.of(host), options.port(), options.login()));
    }
}
