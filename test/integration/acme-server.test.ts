import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AcmeServer } from '../support/acme/acme-server.ts'

/** The ACME server of these tests has to refuse what RFC 8555 refuses, or it would prove nothing. */
let acme: AcmeServer

beforeAll(async () => {
  acme = await AcmeServer.start()
})

afterAll(() => acme[Symbol.asyncDispose]())

interface Reply {
  readonly status: number
  readonly nonce: string
  readonly body: string
}

function send(path: string, method: string, body = ''): Promise<Reply> {
  const url = new URL(path, acme.directory)
  const headers = { 'content-type': 'application/jose+json' }
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, ca: acme.trust, agent: false }, (response) => {
      const nonce = String(response.headers['replay-nonce'])
      const status = response.statusCode ?? 0
      text(response).then((answer) => resolve({ status, nonce, body: answer }), reject)
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = keys.publicKey.export({ format: 'jwk' })

interface Changes {
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: KeyObject
  readonly payload?: object
  readonly tamper?: boolean
}

async function signed(path: string, changes: Changes): Promise<string> {
  const { nonce } = await send('/nonce', 'HEAD')
  const url = new URL(path, acme.directory).href
  const header = { alg: 'ES256', nonce, url, jwk, ...changes.header }
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const head = encode(header)
  const payload = encode(changes.payload ?? { termsOfServiceAgreed: true })
  const key = changes.key ?? keys.privateKey
  const bytes = Buffer.from(`${head}.${payload}`)
  const signature = sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  const sent =
    changes.tamper === true ? encode({ termsOfServiceAgreed: true, contact: [] }) : payload
  return JSON.stringify({ protected: head, payload: sent, signature })
}

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

const refused: [what: string, changes: Changes, status: number, type: string][] = [
  ['a signature by another key', { key: stranger }, 400, 'malformed'],
  ['another payload than was signed', { tamper: true }, 400, 'malformed'],
  ['a nonce that was never given out', { header: { nonce: 'made-up' } }, 400, 'badNonce'],
  ['no nonce', { header: { nonce: undefined } }, 400, 'badNonce'],
  ['another URL', { header: { url: 'https://other.test/new-account' } }, 401, 'unauthorized'],
  ['no signature at all', { header: { alg: 'none' } }, 400, 'badSignatureAlgorithm'],
  ['key and account at once', { header: { kid: 'x' } }, 400, 'malformed'],
  ['an unknown account', { header: { jwk: undefined, kid: 'x' } }, 400, 'accountDoesNotExist'],
  ['terms that are not agreed to', { payload: {} }, 403, 'userActionRequired'],
]
test.each(refused)('%s is refused', async (_what, changes, status, type) => {
  const reply = await send('/new-account', 'POST', await signed('/new-account', changes))
  expect([reply.status, JSON.parse(reply.body)]).toMatchObject([
    status,
    { type: `urn:ietf:params:acme:error:${type}` },
  ])
})

test('a nonce is good once', async () => {
  const body = await signed('/new-account', {})
  expect((await send('/new-account', 'POST', body)).status).toBe(201)
  const again = await send('/new-account', 'POST', body)
  expect([again.status, again.body]).toEqual([400, expect.stringContaining('badNonce')])
})

test('GET where only POST-as-GET is allowed', async () => {
  expect((await send('/order/0', 'GET')).status).toBe(405)
})
