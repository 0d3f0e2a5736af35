import java.util.Map;
import java.util.Set;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.Configuration;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.security.Role;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.spi.core.security.ActiveMQJAASSecurityManager;
import org.apache.activemq.artemis.spi.core.security.jaas.OIDCLoginModule;

/** Apache Artemis with MQTT on loopback, whose tokens its own OIDC login module checks: PORT, ISSUER, CLOCK_SKEW. */
public final class Artemis {
    private static final String DOMAIN = "tokens";
    private static final String ROLE = "clients";

    public static void main(String[] arguments) throws Exception {
        // The first client waits for discovery and keys, in a JVM that has done nothing yet: on a busy machine more than the default
        // of 5 s, and whoever comes within 30 s of a failure is refused.
        // As login.config of an installation has it. The right to do something hangs on a role, that of the claim.
        Map<String, String> options = Map.of(
                "provider", arguments[1],
                "audience", "mqtt",
                "rolesPaths", "roles",
                "httpTimeout", "60000",
                "metadataRetrySeconds", "1",
                "maxClockSkew", arguments[2]);
        Configuration.setConfiguration(new Configuration() {
            @Override
            public AppConfigurationEntry[] getAppConfigurationEntry(String name) {
                return new AppConfigurationEntry[] {new AppConfigurationEntry(
                        OIDCLoginModule.class.getName(),
                        AppConfigurationEntry.LoginModuleControlFlag.REQUIRED,
                        options)};
            }
        });

        var settings = new ConfigurationImpl();
        settings.setPersistenceEnabled(false).setSecurityEnabled(true).setJMXManagementEnabled(false);
        settings.addAcceptorConfiguration("mqtt", "tcp://127.0.0.1:" + arguments[0] + "?protocols=MQTT");
        var everything = new Role(ROLE, true, true, true, true, true, true, true, true, true, true, false, false);
        settings.putSecurityRoles("#", Set.of(everything));
        new EmbeddedActiveMQ()
                .setConfiguration(settings)
                .setSecurityManager(new ActiveMQJAASSecurityManager(DOMAIN))
                .start();
        System.out.println("ready");
        Thread.currentThread().join();
    }
}
