package pacemaker.client;

import pacemaker.drive.Program;

/** Runs a scenario with the client of Storm 2.x. */
public final class Main {
    private Main() {
    }

    public static void main(String[] arguments) {
        Program.run(arguments, new PoolConnector(), Program.clientScenarios());
    }
}
