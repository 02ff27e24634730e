import { describe, expect, test } from 'vitest'
import { WIRES } from '../support/both-wires.ts'
import { startGateway } from '../support/gateway.ts'
import { echo, grpcFrame, startGrpcUpstream } from '../support/grpc-upstream.ts'
import { gateway, service, virtualService } from '../support/yaml.ts'

const HOST = 'app.test'

function yaml(port: number, protocol = 'GRPC-WEB', rule = ''): string {
  return (
    service('echo', port, { portName: 'grpc' }) +
    gateway('gw', [HOST]).replace('protocol: HTTP', `protocol: ${protocol}`) +
    virtualService(
      'echo',
      [HOST],
      ['gw'],
      `  - { route: [{ destination: { host: echo } }] ${rule} }`,
    )
  )
}

function trailersFrame(text: string): Buffer {
  return grpcFrame(text, 0x80)
}

/** What padded pieces of base64 hold. */
function decodePieces(text: string): Buffer {
  const pieces = text.match(/[^=]+=*/g) ?? []
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64')))
}

const TRAILERS = 'grpc-status:0\r\ngrpc-message:fine\r\n'

describe.each(WIRES)('gRPC-Web over $name', (wire) => {
  const post = (port: number, contentType: string, body: string | Buffer, more = {}) =>
    wire.ask({
      port,
      path: '/echo.Echo/Say',
      method: 'POST',
      headers: { 'content-type': contentType, 'x-grpc-web': '1', ...more },
      body,
    })

  test('bytes: the backend sees gRPC, the client its trailers as the last frame', async () => {
    await using app = await startGrpcUpstream(echo({ 'grpc-status': '0', 'grpc-message': 'fine' }))
    await using gw = await startGateway(yaml(app.port), { ports: [80] })
    const answer = await post(gw.port(80), 'application/grpc-web+proto', grpcFrame('hello'))
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/grpc-web+proto')
    expect(answer.body).toEqual(Buffer.concat([grpcFrame('hello'), trailersFrame(TRAILERS)]))
    expect(answer.trailers).toEqual({})
    const [seen] = app.seen
    expect(seen!.body).toEqual(grpcFrame('hello'))
    expect(seen!.headers).toMatchObject({
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    })
  })

  test('text: base64 both ways, with padding where the client flushed', async () => {
    await using app = await startGrpcUpstream(echo({ 'grpc-status': '0', 'grpc-message': 'fine' }))
    await using gw = await startGateway(yaml(app.port), { ports: [80] })
    const frames = [grpcFrame('hello'), grpcFrame('you'), grpcFrame('x'.repeat(100_000))]
    const body = frames.map((frame) => frame.toString('base64')).join('')
    const answer = await post(gw.port(80), 'application/grpc-web-text', body)
    expect(answer.headers['content-type']).toBe('application/grpc-web-text+proto')
    const expected = Buffer.concat([...frames, trailersFrame(TRAILERS)])
    expect(decodePieces(answer.body.toString('latin1')).equals(expected)).toBe(true)
    expect(app.seen[0]!.body.equals(Buffer.concat(frames))).toBe(true)
    expect(app.seen[0]!.headers['content-length']).toBeUndefined()
  })

  test('Accept decides about the answer', async () => {
    await using app = await startGrpcUpstream(echo({ 'grpc-status': '0', 'grpc-message': 'fine' }))
    await using gw = await startGateway(yaml(app.port), { ports: [80] })
    const accept = { accept: 'application/grpc-web-text' }
    const answer = await post(gw.port(80), 'application/grpc-web', grpcFrame('a'), accept)
    expect(answer.headers['content-type']).toBe('application/grpc-web-text+proto')
    expect(decodePieces(answer.body.toString('latin1'))).toEqual(
      Buffer.concat([grpcFrame('a'), trailersFrame(TRAILERS)]),
    )
  })

  test('an answer of trailers only keeps its status among the headers', async () => {
    await using app = await startGrpcUpstream((stream) => {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' },
        { endStream: true },
      )
    })
    await using gw = await startGateway(yaml(app.port), { ports: [80] })
    const answer = await post(gw.port(80), 'application/grpc-web', grpcFrame('a'))
    expect(answer.headers).toMatchObject({
      'content-type': 'application/grpc-web+proto',
      'grpc-status': '5',
    })
    expect(answer.body).toHaveLength(0)
  })

  test("the gateway's own refusals are gRPC-Web too", async () => {
    await using app = await startGrpcUpstream(echo({}))
    await using gw = await startGateway(yaml(app.port), { ports: [80] })
    const answer = await wire.ask({
      port: gw.port(80),
      host: 'unknown.test',
      method: 'POST',
      headers: { 'content-type': 'application/grpc-web-text' },
      body: grpcFrame('a').toString('base64'),
    })
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/grpc-web-text+proto',
      'grpc-status': '12',
    })
  })

  test('an answer that is no gRPC passes as it is', async () => {
    await using app = await startGrpcUpstream((stream) => {
      stream.respond({ ':status': 503, 'content-type': 'text/plain' })
      stream.end('down for repair')
    })
    await using gw = await startGateway(yaml(app.port, 'GRPC-WEB', ', retries: { attempts: 0 }'), {
      ports: [80],
    })
    const answer = await post(gw.port(80), 'application/grpc-web-text', '')
    expect([answer.status, answer.headers['content-type']]).toEqual([503, 'text/plain'])
    expect(answer.body.toString()).toBe('down for repair')
  })

  test.each([
    ['no base64', 'hello world'],
    ['cut off within a group', `${grpcFrame('hello').toString('base64')}aa`],
  ])('a text body that is %s gets 400', async (_name, body) => {
    await using app = await startGrpcUpstream(echo({ 'grpc-status': '0' }))
    await using gw = await startGateway(yaml(app.port), { ports: [80] })
    const answer = await post(gw.port(80), 'application/grpc-web-text', body)
    expect(answer.status).toBe(400)
    expect(answer.body.toString()).toContain('not base64')
    expect(app.seen).toEqual([])
    const again = await post(gw.port(80), 'application/grpc-web', grpcFrame('b'))
    expect(again.status).toBe(200)
  })

  test('other requests on the server are left alone', async () => {
    await using app = await startGrpcUpstream((stream, call) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' })
      stream.end(call.body)
    })
    await using gw = await startGateway(yaml(app.port), { ports: [80] })
    const answer = await post(gw.port(80), 'text/plain', 'as it is')
    expect(answer.body.toString()).toBe('as it is')
    expect(app.seen[0]!.headers['content-type']).toBe('text/plain')
  })

  test('a server of another protocol translates nothing', async () => {
    await using app = await startGrpcUpstream(echo({ 'grpc-status': '0' }))
    await using gw = await startGateway(yaml(app.port, 'HTTP'), { ports: [80] })
    await post(gw.port(80), 'application/grpc-web-text', 'AAAA')
    expect(app.seen[0]!.headers['content-type']).toBe('application/grpc-web-text')
    expect(app.seen[0]!.body.toString()).toBe('AAAA')
  })

  test('messages of a stream arrive one by one, the last without waiting for the end', async () => {
    const release = Promise.withResolvers<void>()
    await using app = await startGrpcUpstream((stream) => {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc' },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.write(grpcFrame('one'))
      void release.promise.then(() => stream.end(grpcFrame('two')))
    })
    await using gw = await startGateway(yaml(app.port), { ports: [80] })
    const answer = await wire.open({
      port: gw.port(80),
      method: 'POST',
      headers: { 'content-type': 'application/grpc-web-text' },
      body: grpcFrame('go').toString('base64'),
    })
    let text = ''
    let released = false
    for await (const chunk of answer.body) {
      text += (chunk as Buffer).toString('latin1')
      if (!released && decodePieces(text).equals(grpcFrame('one'))) {
        released = true
        release.resolve()
      }
    }
    expect(released).toBe(true)
    expect(decodePieces(text)).toEqual(
      Buffer.concat([grpcFrame('one'), grpcFrame('two'), trailersFrame('grpc-status:0\r\n')]),
    )
  })
})
