import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyFactory;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.crypto.spec.SecretKeySpec;

/** What is a good token: by Nimbus, with a key for each algorithm. */
final class Tokens {
    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();

    /** The keys are in FOLDER: hs256.secret, rs256.pub.pem and es256.pub.pem. */
    Tokens(Path folder) throws Exception {
        Map<JWSAlgorithm, Key> keys = Map.of(
                JWSAlgorithm.HS256, new SecretKeySpec(Files.readAllBytes(folder.resolve("hs256.secret")), "HmacSHA256"),
                JWSAlgorithm.RS256, publicKey(folder.resolve("rs256.pub.pem"), "RSA"),
                JWSAlgorithm.ES256, publicKey(folder.resolve("es256.pub.pem"), "EC"));
        processor.setJWSKeySelector((JWSHeader header, SecurityContext context) -> {
            Key key = keys.get(header.getAlgorithm());
            return key == null ? List.of() : List.of(key);
        });
        var exact = new JWTClaimsSet.Builder().issuer("https://issuer.example").build();
        var claims = new DefaultJWTClaimsVerifier<SecurityContext>("mqtt", exact, Set.of("exp", "sub"));
        claims.setMaxClockSkew(0);
        processor.setJWTClaimsSetVerifier(claims);
    }

    /** The claims of a good token; an exception says what is wrong with another. */
    JWTClaimsSet verified(byte[] token) throws Exception {
        return processor.process(new String(token, java.nio.charset.StandardCharsets.UTF_8), null);
    }

    private static Key publicKey(Path file, String kind) throws Exception {
        String base64 = Files.readString(file).replaceAll("-----[A-Z ]+-----|\\s", "");
        return KeyFactory.getInstance(kind).generatePublic(new X509EncodedKeySpec(Base64.getDecoder().decode(base64)));
    }
}
