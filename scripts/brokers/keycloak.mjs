// node keycloak.mjs URL USER PASSWORD COMMAND...: what is set up in Keycloak by its REST interface, over one connection that
// stays open.
//
//     setup PUBLIC_KEY CERTIFICATE   the realms `storm`, `refresh-once` and `without-audience`, with their clients; PUBLIC_KEY (PEM) is that of
//                                    clients that sign, CERTIFICATE (PEM) the one of clients that bring one
//     rotate REALM                   a new RS256 key that signs at once; those before leave the key set in the same moment
import { X509Certificate, createPublicKey, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

const [url, username, password, command, ...rest] = process.argv.slice(2)

const login = await fetch(`${url}/realms/master/protocol/openid-connect/token`, {
  method: 'POST',
  body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', username, password }),
})
if (!login.ok) throw new Error(`login as ${username}: ${login.status}`)
const { access_token: token } = await login.json()

// A 409 is what was made before.
async function admin(method, path, body) {
  const answer = await fetch(`${url}/admin/realms${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok && answer.status !== 409) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return text && JSON.parse(text)
}

const mapper = (name, kind, config) => ({
  name,
  protocol: 'openid-connect',
  protocolMapper: `oidc-${kind}-mapper`,
  config: { 'access.token.claim': 'true', ...config },
})
// A broker that expects the client id in `sub` would get the id of the service account.
const subject = mapper('sub', 'usersessionmodel-note', {
  'user.session.note': 'client_id',
  'claim.name': 'sub',
  'jsonType.label': 'String',
})
const audience = mapper('aud', 'audience', { 'included.custom.audience': 'mqtt' })

// What RabbitMQ asks for.
const SCOPES = ['mqtt.read:*/*/*', 'mqtt.write:*/*/*', 'mqtt.configure:*/*/*']

// `attributes` are the client's own.
function client(clientId, authenticator, attributes = {}) {
  return {
    clientId,
    protocol: 'openid-connect',
    clientAuthenticatorType: authenticator,
    secret: `of-no-value-${clientId}`,
    publicClient: false,
    serviceAccountsEnabled: true,
    standardFlowEnabled: false,
    // Else roles of the realm, and the audience `account`, come along.
    fullScopeAllowed: false,
    defaultClientScopes: ['basic', 'mqtt', ...SCOPES],
    attributes,
  }
}

function clients(publicKey, certificate) {
  const jwk = { ...createPublicKey(readFileSync(publicKey)).export({ format: 'jwk' }), kid: 'es256', alg: 'ES256', use: 'sig' }
  const signs = {
    'use.jwks.string': 'true',
    'jwks.string': JSON.stringify({ keys: [jwk] }),
    'token.endpoint.auth.signing.alg': 'ES256',
  }
  const { subject, issuer } = new X509Certificate(readFileSync(certificate))
  const brings = { 'x509.subjectdn': subject, 'x509.casubjectdn': issuer, 'x509.allow.regex.pattern.comparison': 'false' }
  // Each device has a certificate of its own, and a token that is bound to it (RFC 8705).
  const bound = {
    'x509.subjectdn': '^CN=device-[0-9]+$',
    'x509.casubjectdn': issuer,
    'x509.allow.regex.pattern.comparison': 'true',
    'tls.client.certificate.bound.access.tokens': 'true',
  }
  const some = (count, make) => Array.from({ length: count }, (_, n) => make(n))
  return [
    ...some(100, (n) => client(`storm-${n}`, 'client-secret')),
    ...some(20, (n) => client(`signer-${n}`, 'client-jwt', signs)),
    ...some(20, (n) => client(`certified-${n}`, 'client-x509', brings)),
    ...some(20, (n) => client(`brief-${n}`, 'client-secret', { 'access.token.lifespan': '10' })),
    client('bound', 'client-x509', bound),
    ...refreshing(),
  ]
}

// Clients whose tokens last 6 s and who get a refresh token with each; the sessions of `ending` last 10 s in all.
function refreshing() {
  const refreshes = { 'client_credentials.use_refresh_token': 'true', 'access.token.lifespan': '6' }
  const some = (name, more) =>
    Array.from({ length: 20 }, (_, n) => client(`${name}-${n}`, 'client-secret', { ...refreshes, ...more }))
  return [...some('session'), ...some('ending', { 'client.session.max.lifespan': '10' })]
}

async function realm(name, mappers, clients, settings = {}) {
  await admin('POST', '', { realm: name, enabled: true, accessTokenLifespan: 600, sslRequired: 'none', ...settings })
  await admin('POST', `/${name}/client-scopes`, { name: 'mqtt', protocol: 'openid-connect', protocolMappers: mappers })
  for (const scope of SCOPES) {
    const attributes = { 'include.in.token.scope': 'true' }
    await admin('POST', `/${name}/client-scopes`, { name: scope, protocol: 'openid-connect', attributes })
  }
  for (const client of clients) await admin('POST', `/${name}/clients`, client)
}

async function setup(publicKey, certificate) {
  await realm('storm', [audience, subject], clients(publicKey, certificate))
  // A refresh token is good once, and its second use ends the session.
  await realm('refresh-once', [audience, subject], refreshing(), { revokeRefreshToken: true, refreshTokenMaxReuse: 0 })
  await realm('without-audience', [subject], clients(publicKey, certificate).slice(0, 20))
}

const KEYS = 'org.keycloak.keys.KeyProvider'

async function rotate(name) {
  const realm = await admin('GET', `/${name}`)
  const providers = await admin('GET', `/${name}/components?type=${KEYS}`)
  const before = providers.filter((it) => it.providerId === 'rsa-generated')
  const priority = Math.max(...before.map((it) => Number(it.config.priority?.[0] ?? 0))) + 1
  await admin('POST', `/${name}/components`, {
    name: `rotated-${randomUUID()}`,
    providerId: 'rsa-generated',
    providerType: KEYS,
    parentId: realm.id,
    config: { priority: [String(priority)], enabled: ['true'], active: ['true'], algorithm: ['RS256'] },
  })
  for (const it of before) await admin('DELETE', `/${name}/components/${it.id}`)
}

await { setup, rotate }[command](...rest)
