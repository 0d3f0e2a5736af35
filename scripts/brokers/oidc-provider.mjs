// node oidc-provider.mjs MODULES PORT KEY: an OpenID provider whose clients get JWT access tokens (RFC 9068) by client
// credentials, for the resource `urn:mqtt` and with the scopes that RabbitMQ wants. On loopback, for tests only.
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [modules, port, key] = process.argv.slice(2)
const { Provider } = await import(createRequire(`${modules}/`).resolve('oidc-provider'))

const scopes = ['mqtt.read:*/*/*', 'mqtt.write:*/*/*', 'mqtt.configure:*/*/*']
const signing = createPrivateKey(readFileSync(key)).export({ format: 'jwk' })
const client = (n) => ({
  client_id: `storm-${n}`,
  client_secret: `of-no-value-storm-${n}`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: scopes.join(' '),
})

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: Array.from({ length: 500 }, (_, n) => client(n)),
  jwks: { keys: [{ ...signing, kid: 'provider', alg: 'RS256', use: 'sig' }] },
  scopes,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:mqtt',
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        audience: 'mqtt',
        scope: scopes.join(' '),
        accessTokenTTL: 600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  // RabbitMQ names the user by `sub`.
  extraTokenClaims: (_, token) => ({ sub: token.clientId }),
})
provider.on('server_error', (_, error) => console.error(error))
provider.listen(port, '127.0.0.1')
