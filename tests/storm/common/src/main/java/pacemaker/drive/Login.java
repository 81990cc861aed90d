package pacemaker.drive;

import java.util.Map;
import java.util.TreeMap;

/** How a client shows who it is: one of Storm's methods and, unless it is NONE, a JAAS file. */
public record Login(String method, String configuration) {
    public static final Login NONE = new Login("NONE", null);

    /** The settings that make Storm log in so. It takes the file from there, not from the JVM's property. */
    public Map<String, Object> settings() {
        Map<String, Object> settings = new TreeMap<>();
        settings.put("pacemaker.auth.method", method);
        if (configuration != null) {
            settings.put("java.security.auth.login.config", configuration);
        }
        return settings;
    }
}
