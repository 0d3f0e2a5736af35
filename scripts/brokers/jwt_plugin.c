/* A Mosquitto 2 plugin that takes a JWT for the password, or by enhanced authentication (MQTT 5.0, 4.12): as data of the
 * method OAUTH2-JWT, and of OAUTH2-JWT-CHALLENGED, which asks once more before it looks.
 *
 *   plugin_opt_key_HS256 FILE    the secret, as it is in the file
 *   plugin_opt_key_RS256 FILE    public key, PEM
 *   plugin_opt_key_ES256 FILE    public key, PEM
 *   plugin_opt_iss TEXT          what `iss` has to be
 *   plugin_opt_aud TEXT          what `aud` has to be, or to hold
 *   plugin_opt_checks_off ABC    checks left out, by letter, so that a test can show that it finds the hole:
 *     a  the algorithm selects the key; off: the RSA key verifies whatever the header says, HMAC included
 *     x  there is an `exp`, a whole number     e  `exp` is in the future     n  `nbf` is not in the future
 *     i  `iss`     u  `aud`     s  `sub` is the user name
 *     c  a token that is bound to a certificate (RFC 8705) is brought with that one, and a client with a certificate brings
 *        a token that is bound
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <jwt.h>
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* Larger than any key in PEM; RSA with 16384 bits takes 2.9 kB. */
#define KEY_SIZE 8192

struct key {
    const char *algorithm;
    unsigned char bytes[KEY_SIZE];
    int length;
};

enum { HS256, RS256, ES256, KEYS };

static struct key keys[KEYS] = {{.algorithm = "HS256"}, {.algorithm = "RS256"}, {.algorithm = "ES256"}};
static char *issuer, *audience, *checks_off;
static mosquitto_plugin_id_t *plugin;

static bool checked(char letter)
{
    return checks_off == NULL || strchr(checks_off, letter) == NULL;
}

/* The header is not to be trusted yet: it only chooses among keys that are bound to one algorithm each. */
static const struct key *select_key(const char *token)
{
    const struct key *found = NULL;
    jwt_t *unverified = NULL;

    if (!checked('a'))
        return keys[RS256].length > 0 ? &keys[RS256] : NULL;
    if (jwt_decode(&unverified, token, NULL, 0) != 0)
        return NULL;
    const char *algorithm = jwt_get_header(unverified, "alg");
    for (int i = 0; algorithm != NULL && i < KEYS; i++)
        if (keys[i].length > 0 && strcmp(algorithm, keys[i].algorithm) == 0)
            found = &keys[i];
    jwt_free(unverified);
    return found;
}

/* The claims of a token whose signature is good, or NULL. */
static json_t *verified_claims(const char *token, const char **why)
{
    json_t *claims = NULL;
    jwt_t *jwt = NULL;
    const struct key *key = select_key(token);

    if (key == NULL) {
        *why = "not a token, or no key for its algorithm";
        return NULL;
    }
    if (jwt_decode(&jwt, token, key->bytes, key->length) != 0) {
        *why = "signature";
        return NULL;
    }
    /* Without this, a token that is not signed would pass if the library let it. */
    if (jwt_get_alg(jwt) != JWT_ALG_NONE && (!checked('a') || jwt_get_alg(jwt) == jwt_str_alg(key->algorithm))) {
        char *text = jwt_get_grants_json(jwt, NULL);
        if (text != NULL)
            claims = json_loads(text, 0, NULL);
        free(text);
    }
    if (!json_is_object(claims))
        *why = "algorithm or claims";
    jwt_free(jwt);
    return claims;
}

static bool is_text(const json_t *value, const char *expected)
{
    return json_is_string(value) && expected != NULL && strcmp(json_string_value(value), expected) == 0;
}

static bool is_or_holds(const json_t *value, const char *expected)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (is_text(json_array_get(value, i), expected))
            return true;
    return is_text(value, expected);
}

/* Whether this is the thumbprint of a certificate: SHA-256 in base64url (RFC 8705, 3.1). */
static bool is_thumbprint(const json_t *value, const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned int length = 0;

    if (X509_digest(certificate, EVP_sha256(), digest, &length) != 1)
        return false;
    EVP_EncodeBlock(text, digest, (int)length);
    for (char *c = (char *)text; *c != '\0'; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c;
    return is_text(value, (const char *)text);
}

/* Why a token may not be brought with this certificate, or without one. */
static const char *unconfirmed(const json_t *claims, const X509 *certificate)
{
    const json_t *cnf = json_object_get(claims, "cnf");

    if (cnf == NULL)
        return certificate == NULL ? NULL : "not bound to the certificate of its client";
    if (certificate == NULL)
        return "bound to a certificate, and the client has none";
    return is_thumbprint(json_object_get(cnf, "x5t#S256"), certificate) ? NULL : "bound to another certificate";
}

/* The first check that fails, or NULL. */
static const char *fault(const json_t *claims, struct mosquitto *client)
{
    const char *user_name = mosquitto_client_username(client);
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
    json_int_t now = (json_int_t)time(NULL);

    if (checked('x') && !json_is_integer(exp))
        return "exp is missing or not a whole number";
    if (checked('e') && json_is_integer(exp) && json_integer_value(exp) <= now)
        return "exp is past";
    if (checked('n') && nbf != NULL && (!json_is_integer(nbf) || json_integer_value(nbf) > now))
        return "nbf is in the future or not a whole number";
    if (checked('i') && issuer != NULL && !is_text(json_object_get(claims, "iss"), issuer))
        return "iss";
    if (checked('u') && audience != NULL && !is_or_holds(json_object_get(claims, "aud"), audience))
        return "aud";
    if (checked('s') && !is_text(json_object_get(claims, "sub"), user_name))
        return "sub is not the user name";
    if (!checked('c'))
        return NULL;
    X509 *certificate = mosquitto_client_certificate(client);
    const char *why = unconfirmed(claims, certificate);
    X509_free(certificate);
    return why;
}

/* Why a token of these bytes is refused, or NULL. */
static const char *refused(const char *token, struct mosquitto *client)
{
    const char *why = "no token";

    if (token != NULL && token[0] != '\0') {
        json_t *claims = verified_claims(token, &why);
        if (claims != NULL)
            why = fault(claims, client);
        json_decref(claims);
    }
    return why;
}

static int verdict(struct mosquitto *client, const char *token)
{
    const char *why = refused(token, client);

    if (why == NULL)
        return MOSQ_ERR_SUCCESS;
    mosquitto_log_printf(MOSQ_LOG_NOTICE, "jwt: %s refused: %s", mosquitto_client_id(client), why);
    return MOSQ_ERR_AUTH;
}

/* A first step, or the answer to a challenge. Data with a byte of 0 in it are no token, and end there. */
static int on_extended_auth(int event, void *data, void *unused)
{
    struct mosquitto_evt_extended_auth *step = data;
    (void)unused;

    /* With the answer to a challenge Mosquitto 2.0 hands no method over. */
    if (event == MOSQ_EVT_EXT_AUTH_START) {
        if (strcmp(step->auth_method, "OAUTH2-JWT-CHALLENGED") == 0)
            return MOSQ_ERR_AUTH_CONTINUE;
        if (strcmp(step->auth_method, "OAUTH2-JWT") != 0)
            return MOSQ_ERR_NOT_SUPPORTED;
    }
    char *token = calloc(1, (size_t)step->data_in_len + 1);
    if (token == NULL)
        return MOSQ_ERR_NOMEM;
    if (step->data_in != NULL)
        memcpy(token, step->data_in, step->data_in_len);
    const int found = verdict(step->client, token);
    free(token);
    return found;
}

static int on_basic_auth(int event, void *data, void *unused)
{
    struct mosquitto_evt_basic_auth *connect = data;
    (void)event;
    (void)unused;

    return verdict(connect->client, connect->password);
}

static bool read_key(struct key *key, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file != NULL) {
        key->length = (int)fread(key->bytes, 1, sizeof key->bytes, file);
        fclose(file);
    }
    if (key->length > 0 && key->length < KEY_SIZE)
        return true;
    mosquitto_log_printf(MOSQ_LOG_ERR, "jwt: the key %s can't be read, is empty or too long", path);
    return false;
}

static bool take_option(const char *name, const char *value)
{
    char **text = strcmp(name, "iss") == 0          ? &issuer
                  : strcmp(name, "aud") == 0        ? &audience
                  : strcmp(name, "checks_off") == 0 ? &checks_off
                                                    : NULL;
    if (text != NULL)
        return (*text = strdup(value)) != NULL;
    for (int i = 0; i < KEYS; i++)
        if (strncmp(name, "key_", 4) == 0 && strcmp(name + 4, keys[i].algorithm) == 0)
            return read_key(&keys[i], value);
    mosquitto_log_printf(MOSQ_LOG_ERR, "jwt: there is no option %s", name);
    return false;
}

int mosquitto_plugin_version(int count, const int *versions)
{
    for (int i = 0; i < count; i++)
        if (versions[i] == 5)
            return 5;
    return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **data, struct mosquitto_opt *options, int count)
{
    (void)data;
    plugin = id;
    for (int i = 0; i < count; i++)
        if (!take_option(options[i].key, options[i].value))
            return MOSQ_ERR_INVAL;
    const int basic = mosquitto_callback_register(plugin, MOSQ_EVT_BASIC_AUTH, on_basic_auth, NULL, NULL);
    const int start = mosquitto_callback_register(plugin, MOSQ_EVT_EXT_AUTH_START, on_extended_auth, NULL, NULL);
    const int next = mosquitto_callback_register(plugin, MOSQ_EVT_EXT_AUTH_CONTINUE, on_extended_auth, NULL, NULL);
    return basic != MOSQ_ERR_SUCCESS ? basic : start != MOSQ_ERR_SUCCESS ? start : next;
}

int mosquitto_plugin_cleanup(void *data, struct mosquitto_opt *options, int count)
{
    (void)data;
    (void)options;
    (void)count;
    free(issuer);
    free(audience);
    free(checks_off);
    mosquitto_callback_unregister(plugin, MOSQ_EVT_EXT_AUTH_START, on_extended_auth, NULL);
    mosquitto_callback_unregister(plugin, MOSQ_EVT_EXT_AUTH_CONTINUE, on_extended_auth, NULL);
    return mosquitto_callback_unregister(plugin, MOSQ_EVT_BASIC_AUTH, on_basic_auth, NULL);
}
