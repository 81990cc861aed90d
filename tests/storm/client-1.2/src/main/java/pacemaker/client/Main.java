package pacemaker.client;

import pacemaker.drive.Program;

/** Runs a scenario with the client of Storm 1.1 and 1.2. */
public final class Main {
    private Main() {
    }

    public static void main(String[] arguments) {
        Program.run(arguments, new HostsConnector(), Program.clientScenarios());
    }
}
