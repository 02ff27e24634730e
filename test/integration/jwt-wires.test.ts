import { once } from 'node:events'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { loggedExchanges } from '../support/access-log.ts'
import { askWith, authenticatedApp, requestAuthentication } from '../support/authentication.ts'
import { WIRES } from '../support/both-wires.ts'
import { startGateway } from '../support/gateway.ts'
import { keySet, startIssuer, testKey } from '../support/jwt.ts'
import { startUpstream } from '../support/upstream.ts'
import { untilStill, waitFor } from '../support/wait.ts'

const key = await testKey('one')
const forger = await testKey('one')

/** An issuer whose keys come when `release` is called. */
async function slowIssuer() {
  const held: ServerResponse[] = []
  const issuer = await startIssuer((_request, response) => {
    held.push(response)
  })
  return {
    issuer,
    held,
    rule: `issuer: "${issuer.url}", jwksUri: "${issuer.url}/keys"`,
    release: () => {
      issuer.answer = keySet(key)
      for (const response of held) response.end(keySet(key))
    },
    [Symbol.asyncDispose]: () => issuer[Symbol.asyncDispose](),
  }
}

describe.each(WIRES)('$name client', (wire) => {
  const ask = (port: number, token: string, headers: Record<string, string> = {}, body = '') =>
    wire.ask({
      port,
      host: 'app.test',
      path: '/call',
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...headers },
      body,
    })

  test('a body that arrives while keys are fetched reaches the upstream whole', async () => {
    await using slow = await slowIssuer()
    await using upstream = await startUpstream('app')
    const yaml = authenticatedApp(upstream.port, [requestAuthentication('jwt', slow.rule)])
    await using gw = await startGateway(yaml)
    const body = 'y'.repeat(300_000)
    const token = await key.sign({ iss: slow.issuer.url })
    const answer = ask(gw.port(80), token, {}, body)
    await waitFor('the fetch of keys', () => slow.held.length > 0)
    slow.release()
    expect(await answer).toMatchObject({ status: 200 })
    expect(upstream.seen.map((seen) => seen.body.length)).toEqual([300_000])
  })

  test('a refused gRPC call is trailers-only with UNAUTHENTICATED', async () => {
    const rule = `issuer: me, jwks: '${keySet(key)}'`
    await using gw = await startGateway(authenticatedApp(1, [requestAuthentication('jwt', rule)]))
    const grpc = { 'content-type': 'application/grpc', te: 'trailers' }
    const forged = await forger.sign({ iss: 'me' })
    const answer = await ask(gw.port(80), forged, grpc, 'call')
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/grpc',
      'grpc-status': '16',
      'grpc-message': 'Jwt verification fails',
      'www-authenticate': 'Bearer realm="http://app.test/call", error="invalid_token"',
    })
  })

  test('a refused upload is answered without its body', async () => {
    const rule = `issuer: me, jwks: '${keySet(key)}'`
    await using gw = await startGateway(authenticatedApp(1, [requestAuthentication('jwt', rule)]))
    const answer = await ask(gw.port(80), await forger.sign({ iss: 'me' }), {}, 'z'.repeat(300_000))
    expect(answer.status).toBe(401)
  })
})

test('a large body waits with its client while keys are fetched', async () => {
  await using slow = await slowIssuer()
  await using upstream = await startUpstream('app')
  await using gw = await startGateway(
    authenticatedApp(upstream.port, [requestAuthentication('jwt', slow.rule)]),
  )
  const chunk = Buffer.alloc(65_536, 'w')
  const chunks = 512
  const sent = request({
    host: '127.0.0.1',
    port: gw.port(80),
    method: 'POST',
    headers: {
      host: 'app.test',
      authorization: `Bearer ${await key.sign({ iss: slow.issuer.url })}`,
      'content-length': String(chunk.length * chunks),
    },
    agent: false,
  })
  let taken = 0
  const send = (): void => {
    while (taken < chunks) {
      taken++
      if (!sent.write(chunk)) return
    }
    sent.end()
  }
  sent.on('drain', send)
  send()
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  await waitFor('the fetch of keys', () => slow.held.length > 0)
  await untilStill('the upload', () => taken)
  // What sockets hold is a few MiB.
  expect(taken).toBeLessThan((chunks * 3) / 4)
  slow.release()
  const [response] = await answered
  response.resume()
  expect(response.statusCode).toBe(200)
  expect(upstream.seen[0]!.body.length).toBe(chunk.length * chunks)
})

test('a client that leaves while keys are fetched leaves nothing behind', async () => {
  await using slow = await slowIssuer()
  await using upstream = await startUpstream('app')
  await using gw = await startGateway(
    authenticatedApp(upstream.port, [requestAuthentication('jwt', slow.rule)]),
  )
  const token = await key.sign({ iss: slow.issuer.url })
  const sent = request({
    host: '127.0.0.1',
    port: gw.port(80),
    headers: { host: 'app.test', authorization: `Bearer ${token}` },
    agent: false,
  })
  sent.on('error', () => undefined)
  sent.end()
  await waitFor('the fetch of keys', () => slow.held.length > 0)
  expect(gw.gateway.activeExchanges).toBe(1)
  sent.socket!.resetAndDestroy()
  await waitFor('the exchange to end', () => gw.gateway.activeExchanges === 0)
  slow.release()
  expect((await askWith(gw, token)).status).toBe(200)
  expect(upstream.seen).toHaveLength(1)
})

test('a configuration that changes while keys are fetched leaves the request its own', async () => {
  await using slow = await slowIssuer()
  await using upstream = await startUpstream('app')
  const yaml = authenticatedApp(upstream.port, [requestAuthentication('jwt', slow.rule)])
  await using gw = await startGateway(yaml)
  const token = await key.sign({ iss: slow.issuer.url })
  const waiting = askWith(gw, token)
  await waitFor('the fetch of keys', () => slow.held.length > 0)
  const other = requestAuthentication('jwt', `issuer: you, jwks: '${keySet(forger)}'`)
  gw.write('config.yaml', authenticatedApp(upstream.port, [other]))
  await gw.reload()
  expect((await askWith(gw, token)).body).toBe('Jwt issuer is not configured')
  slow.release()
  expect((await waiting).status).toBe(200)
})

test('a host that nobody has is 401 for a bad token, 404 for a good one', async () => {
  const rule = `issuer: me, jwks: '${keySet(key)}'`
  await using gw = await startGateway(authenticatedApp(1, [requestAuthentication('jwt', rule)]))
  const ask = async (token: string): Promise<number> =>
    (await askWith(gw, token, { host: 'other.test' })).status
  expect(await ask(await forger.sign({ iss: 'me' }))).toBe(401)
  expect(await ask(await key.sign({ iss: 'me' }))).toBe(404)
})

test('a redirect to https asks for no token', async () => {
  const rule = `issuer: me, jwks: '${keySet(key)}'`
  const yaml = authenticatedApp(1, [requestAuthentication('jwt', rule)]).replace(
    'hosts: ["app.test"]\n---',
    'hosts: ["app.test"]\n    tls: { httpsRedirect: true }\n---',
  )
  await using gw = await startGateway(yaml)
  const token = await forger.sign({ iss: 'me' })
  expect((await askWith(gw, token, { path: `/?access_token=${token}` })).status).toBe(301)
  await loggedExchanges(gw, ['/?access_token=[redacted]'])
  expect(gw.accessLog()).not.toContain(token)
})
