package pacemaker.drive;

/** One thing to try against a server: returns if it went as it must, throws if not. */
public interface Scenario {
    void run(Context context) throws Exception;

    /** How long the scenario may take in all unless the command line says otherwise. */
    default int deadlineSeconds() {
        return 60;
    }
}
