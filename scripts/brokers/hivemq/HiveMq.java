import com.hivemq.embedded.EmbeddedExtension;
import com.hivemq.embedded.EmbeddedHiveMQ;
import com.hivemq.extension.sdk.api.ExtensionMain;
import com.hivemq.extension.sdk.api.auth.EnhancedAuthenticator;
import com.hivemq.extension.sdk.api.auth.parameter.EnhancedAuthConnectInput;
import com.hivemq.extension.sdk.api.auth.parameter.EnhancedAuthInput;
import com.hivemq.extension.sdk.api.auth.parameter.EnhancedAuthOutput;
import com.hivemq.extension.sdk.api.packets.disconnect.DisconnectReasonCode;
import com.hivemq.extension.sdk.api.packets.general.DisconnectedReasonCode;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStartOutput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopInput;
import com.hivemq.extension.sdk.api.parameter.ExtensionStopOutput;
import com.hivemq.extension.sdk.api.services.Services;
import com.nimbusds.jwt.JWTClaimsSet;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * HiveMQ CE on loopback with an extension that takes tokens by enhanced authentication: PORT, FOLDER, KEYS. A client without a
 * method brings its token in the password.
 */
public final class HiveMq {
    /** One round; one challenge before it; two. */
    private static final Map<String, Integer> CHALLENGES =
            Map.of("OAUTH2-JWT", 0, "OAUTH2-JWT-CHALLENGED", 1, "OAUTH2-JWT-TWICE", 2);
    /** How often the end of a session is tried again that the broker does not know yet. */
    private static final int TRIES = 20;

    /** The last token of each client, by number: the end of an earlier one ends nothing. */
    private static final Map<String, Long> LAST = new ConcurrentHashMap<>();
    private static final AtomicLong TICKETS = new AtomicLong();
    private static Tokens tokens;

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        Path folder = Path.of(arguments[1]);
        tokens = new Tokens(Path.of(arguments[2]));
        for (String name : new String[] {"conf", "data", "extensions"}) {
            Files.createDirectories(folder.resolve(name));
        }
        // Statistics would be sent to its maker.
        Files.writeString(folder.resolve("conf/config.xml"), """
                <?xml version="1.0"?>
                <hivemq>
                  <listeners>
                    <tcp-listener><port>%d</port><bind-address>127.0.0.1</bind-address></tcp-listener>
                  </listeners>
                  <persistence><mode>in-memory</mode></persistence>
                  <anonymous-usage-statistics><enabled>false</enabled></anonymous-usage-statistics>
                </hivemq>
                """.formatted(port));
        var extension = EmbeddedExtension.builder()
                .withId("tokens")
                .withName("tokens")
                .withVersion("1")
                .withPriority(0)
                .withStartPriority(1000)
                .withExtensionMain(new Extension())
                .build();
        EmbeddedHiveMQ.builder()
                .withConfigurationFolder(folder.resolve("conf"))
                .withDataFolder(folder.resolve("data"))
                .withExtensionsFolder(folder.resolve("extensions"))
                .withEmbeddedExtension(extension)
                .build()
                .start()
                .join();
        System.out.println("ready");
        Thread.currentThread().join();
    }

    private static final class Extension implements ExtensionMain {
        @Override
        public void extensionStart(ExtensionStartInput input, ExtensionStartOutput output) {
            Services.securityRegistry().setEnhancedAuthenticatorProvider(ignored -> new Client());
        }

        @Override
        public void extensionStop(ExtensionStopInput input, ExtensionStopOutput output) {}
    }

    /** One client, from its CONNECT on. */
    private static final class Client implements EnhancedAuthenticator {
        private String method;
        private int left;
        /** Whose connection it is, once a token said so. */
        private String subject;

        @Override
        public void onConnect(EnhancedAuthConnectInput input, EnhancedAuthOutput output) {
            var connect = input.getConnectPacket();
            method = connect.getAuthenticationMethod().orElse(null);
            var token = method == null ? connect.getPassword() : connect.getAuthenticationData();
            step(connect.getClientId(), token.map(Client::bytes).orElse(new byte[0]), true, output);
        }

        private static byte[] bytes(ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.duplicate().get(bytes);
            return bytes;
        }

        @Override
        public void onReAuth(EnhancedAuthInput input, EnhancedAuthOutput output) {
            step(input.getClientInformation().getClientId(), data(input), true, output);
        }

        @Override
        public void onAuth(EnhancedAuthInput input, EnhancedAuthOutput output) {
            step(input.getClientInformation().getClientId(), data(input), false, output);
        }

        private static byte[] data(EnhancedAuthInput input) {
            return input.getAuthPacket().getAuthenticationDataAsArray().orElse(new byte[0]);
        }

        private void step(String clientId, byte[] token, boolean isFirst, EnhancedAuthOutput output) {
            if (method != null && !CHALLENGES.containsKey(method)) {
                output.failAuthentication(DisconnectedReasonCode.BAD_AUTHENTICATION_METHOD);
                return;
            }
            if (isFirst) {
                left = method == null ? 0 : CHALLENGES.get(method);
            }
            if (left > 0) {
                left -= 1;
                output.continueAuthentication("once more".getBytes());
                return;
            }
            try {
                JWTClaimsSet claims = tokens.verified(token);
                if (subject != null && !subject.equals(claims.getSubject())) {
                    throw new IllegalArgumentException("another subject");
                }
                subject = claims.getSubject();
                output.authenticateSuccessfully();
                // Nimbus takes an `exp` of null for one that is there.
                if (claims.getExpirationTime() != null) {
                    endAt(clientId, claims.getExpirationTime().getTime());
                }
            } catch (Exception refused) {
                System.err.println(clientId + " refused: " + refused.getMessage());
                output.failAuthentication(DisconnectedReasonCode.NOT_AUTHORIZED);
            }
        }
    }

    /** Ends a client at an instant, in milliseconds since 1970, unless it has brought another token until then. */
    private static void endAt(String clientId, long instant) {
        long ticket = TICKETS.incrementAndGet();
        LAST.put(clientId, ticket);
        endAfter(Math.max(0, instant - System.currentTimeMillis()), clientId, ticket, TRIES);
    }

    /** A timer that comes before the session is there finds nothing to end, and tries again. */
    private static void endAfter(long delay, String clientId, long ticket, int tries) {
        Services.extensionExecutorService().schedule(() -> {
            if (LAST.getOrDefault(clientId, 0L) != ticket) {
                return;
            }
            Services.clientService()
                    .disconnectClient(clientId, false, DisconnectReasonCode.NOT_AUTHORIZED, "the token has ended")
                    .whenComplete((found, failed) -> {
                        if (!Boolean.TRUE.equals(found) && tries > 0) {
                            endAfter(100, clientId, ticket, tries - 1);
                        }
                    });
        }, delay, TimeUnit.MILLISECONDS);
    }
}
