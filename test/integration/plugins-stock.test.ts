import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import { brotliDecompressSync, createGunzip, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { WIRES } from '../support/both-wires.ts'
import { startGateway } from '../support/gateway.ts'
import { heldBufferBytes, untilHeldBelow } from '../support/held-memory.ts'
import { drainedBytes } from '../support/pump.ts'
import { routedTo } from '../support/routed.ts'
import { startUpstream } from '../support/upstream.ts'
import { untilStill } from '../support/wait.ts'
import { gateway, virtualService } from '../support/yaml.ts'

const fixture = (name: string): string =>
  join(import.meta.dirname, '../fixtures/plugins', `${name}.ts`)

const PROSE = 'It was the best of times, it was the worst of times. '.repeat(100)

describe.each(WIRES)('$name: @fastify/helmet', ({ ask }) => {
  const limited = (name: string): string =>
    gateway('limited', [`${name}.test`]) +
    virtualService(
      name,
      [`${name}.test`],
      ['limited'],
      `  - { directResponse: { status: 429, body: { string: slow down } } }`,
    )

  test('its headers are on proxied and on local answers alike', async () => {
    await using upstream = await startUpstream('hello')
    await using gw = await startGateway(routedTo(upstream.port) + limited('limited'), {
      plugins: ['@fastify/helmet'],
      ports: [80],
    })
    const port = gw.port(80)
    const answers = [
      await ask({ port }),
      await ask({ port, host: 'limited.test' }),
      await ask({ port, host: 'unknown.test' }),
    ]
    expect(answers.map((answer) => answer.status)).toEqual([200, 429, 404])
    for (const { headers } of answers) {
      expect(headers['x-frame-options']).toBe('SAMEORIGIN')
      expect(headers['content-security-policy']).toContain("default-src 'self'")
    }
    expect(answers[0]!.body.toString()).toBe('hello')
    expect(answers[0]!.headers['content-length']).toBe('5')
  })

  test('what the upstream says itself stays', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.setHeader('x-frame-options', 'DENY')
      response.end('hello')
    })
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: ['@fastify/helmet'],
      ports: [80],
    })
    const { headers } = await ask({ port: gw.port(80) })
    expect(headers['x-frame-options']).toBe('DENY')
    expect(headers['x-content-type-options']).toBe('nosniff')
  })
})

describe.each(WIRES)('$name: @fastify/compress', ({ ask, open }) => {
  test.each([
    ['gzip', (body: Buffer) => gunzipSync(body)],
    ['br', (body: Buffer) => brotliDecompressSync(body)],
  ])('%s for who accepts it, of a known length and of an unknown one', async (encoding, decode) => {
    await using upstream = await startUpstream((request, response) => {
      response.setHeader('content-type', 'text/plain')
      if (request.url === '/known') response.setHeader('content-length', PROSE.length)
      response.write(PROSE.slice(0, 1000))
      setImmediate(() => response.end(PROSE.slice(1000)))
    })
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: ['@fastify/compress'],
      ports: [80],
    })
    const port = gw.port(80)
    for (const path of ['/known', '/unknown']) {
      const answer = await ask({ port, path, headers: { 'accept-encoding': encoding } })
      expect(answer).toMatchObject({ status: 200, isCut: false })
      expect(answer.headers['content-encoding']).toBe(encoding)
      expect(answer.headers.vary).toBe('accept-encoding')
      expect(answer.headers['content-length']).not.toBe(String(PROSE.length))
      expect(answer.body.length).toBeLessThan(PROSE.length / 2)
      expect(decode(answer.body).toString()).toBe(PROSE)
    }
  })

  test.each([
    ['one that is small', 'text/plain', Buffer.from('hello'), {}],
    ['one that is encoded already', 'text/plain', gzipSync(PROSE), { 'content-encoding': 'gzip' }],
    ['an image', 'image/png', randomBytes(5000), {}],
    ['an event stream', 'text/event-stream', Buffer.from('data: 1\n\n'.repeat(1000)), {}],
  ])('leaves %s alone', async (_what, type, body, headers) => {
    await using upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-type': type, 'content-length': body.length, ...headers })
      response.end(body)
    })
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: ['@fastify/compress'],
      ports: [80],
    })
    const question = { port: gw.port(80), headers: { 'accept-encoding': 'gzip' } }
    const answer = await ask(question)
    expect(answer.body.equals(body)).toBe(true)
    expect(answer.headers).toMatchObject({ 'content-length': String(body.length), ...headers })
    expect(answer.headers['content-encoding']).toBe(
      new Map(Object.entries(headers)).get('content-encoding'),
    )
    const head = await ask({ ...question, method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, isCut: false })
    expect(head.headers['content-length']).toBe(String(body.length))
  })

  test('a large body goes through at the pace of a slow reader, and arrives whole', async () => {
    const total = 24 * 1024 * 1024
    const block = Buffer.from(randomBytes(48 * 1024).toString('base64'))
    let made = 0
    await using upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': total })
      const source = new Readable({
        read() {
          made += block.length
          this.push(block)
          if (made === total) this.push(null)
        },
      })
      pipeline(source, response, () => undefined)
    })
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: ['@fastify/compress'],
      ports: [80],
    })
    const before = heldBufferBytes()
    const answer = await open({ port: gw.port(80), headers: { 'accept-encoding': 'gzip' } })
    expect(answer.headers['content-encoding']).toBe('gzip')
    await untilStill('the upstream', () => made)
    expect(made).toBeLessThan(total)
    await untilHeldBelow(before + 4 * 1024 * 1024)
    const plain = createGunzip()
    pipeline(answer.body, plain, () => undefined)
    expect(await drainedBytes(plain)).toBe(total)
  })

  test('bodies of requests go upstream as they came', async () => {
    await using upstream = await startUpstream('thanks')
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: ['@fastify/compress'],
      ports: [80],
    })
    const packed = gzipSync(PROSE)
    for (const encoding of ['gzip', 'aws-chunked']) {
      const answer = await ask({
        port: gw.port(80),
        method: 'POST',
        headers: { 'content-encoding': encoding, 'content-type': 'text/plain' },
        body: packed,
      })
      expect(answer.status).toBe(200)
      expect(upstream.seen.at(-1)!.body).toBe(packed.toString('latin1'))
    }
  })
})

describe.each(WIRES)('$name: @fastify/basic-auth', ({ ask }) => {
  const secret = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

  test.each([
    ['no password', undefined, 401],
    ['a wrong one', secret('anna:hunter2'), 401],
    ['the right one', secret('anna:correct horse'), 200],
  ])('%s', async (_what, authorization, status) => {
    await using upstream = await startUpstream('hello')
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: [fixture('basic-auth')],
      ports: [80],
    })
    const headers = authorization === undefined ? {} : { authorization }
    const post = { method: 'POST', headers, body: 'something' }
    for (const question of [{ headers }, post]) {
      const answer = await ask({ port: gw.port(80), ...question })
      expect(answer.status).toBe(status)
      expect(answer.headers['www-authenticate']).toBe(
        status === 401 ? 'Basic realm="edge", charset="UTF-8"' : undefined,
      )
    }
    const seen = upstream.seen.map(({ headers: sent }) => [sent['x-user'], sent.authorization])
    expect(seen).toEqual(
      status === 200
        ? [
            ['anna', undefined],
            ['anna', undefined],
          ]
        : [],
    )
  })
})

describe.each(WIRES)('$name: @fastify/cookie', ({ ask }) => {
  test('reads and sets cookies next to those of the upstream', async () => {
    await using upstream = await startUpstream((request, response) => {
      response.setHeader('set-cookie', ['a=1; Path=/', 'b=2'])
      response.end(`visit ${request.headers['x-visits'] as string}`)
    })
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: [fixture('cookies')],
      ports: [80],
    })
    const port = gw.port(80)
    const first = await ask({ port })
    expect(first.body.toString()).toBe('visit 1')
    const cookies = first.headers['set-cookie'] as string[]
    expect(cookies).toEqual(['a=1; Path=/', 'b=2', expect.stringMatching(/^visits=1\.[^;]+; /)])
    const cookie = cookies[2]!.split(';')[0]!
    const second = await ask({ port, headers: { cookie } })
    expect(second.body.toString()).toBe('visit 2')
    const forged = await ask({ port, headers: { cookie: 'visits=40.forged' } })
    expect(forged.body.toString()).toBe('visit 1')
  })
})

describe.each(WIRES)('$name: all of them', ({ ask }) => {
  test('work together', async () => {
    await using upstream = await startUpstream((_request, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(PROSE)
    })
    await using gw = await startGateway(routedTo(upstream.port), {
      plugins: ['@fastify/helmet', '@fastify/compress', fixture('cookies'), fixture('basic-auth')],
      ports: [80],
    })
    const answer = await ask({
      port: gw.port(80),
      headers: {
        'accept-encoding': 'gzip',
        authorization: `Basic ${Buffer.from('anna:correct horse').toString('base64')}`,
      },
    })
    expect(answer.status).toBe(200)
    expect(answer.headers['x-frame-options']).toBe('SAMEORIGIN')
    expect(answer.headers['set-cookie']).toEqual([expect.stringMatching(/^visits=1/)])
    expect(gunzipSync(answer.body).toString()).toBe(PROSE)
    const refused = await ask({ port: gw.port(80) })
    expect(refused.status).toBe(401)
    expect(refused.headers['x-frame-options']).toBe('SAMEORIGIN')
  })
})
