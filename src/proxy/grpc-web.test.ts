import { describe, expect, test } from 'vitest'
import { DownstreamDouble } from '../../test/support/exchange-double.ts'
import { RecordingHandler } from '../../test/support/recording-handler.ts'
import { requestOf, type RequestSketch } from '../../test/support/requests.ts'
import { Headers } from '../http/headers.ts'
import { UNKNOWN_LENGTH } from '../http/request.ts'
import { bridgeGrpcWeb } from './grpc-web.ts'

const TEXT = 'application/grpc-web-text'
const BYTES = 'application/grpc-web'
const GRPC = (): Headers => new Headers(['content-type', 'application/grpc'])

function bridged(contentType: string, sketch: RequestSketch = {}) {
  const headers = ['content-type', contentType, ...(sketch.headers ?? [])]
  const wire = new DownstreamDouble(
    requestOf({ method: 'POST', bodyLength: 12, ...sketch, headers }),
  )
  const exchange = bridgeGrpcWeb(wire)
  return { wire, exchange, handler: new RecordingHandler(exchange) }
}

describe('what is bridged', () => {
  test.each<[contentType: string, grpc: string, bodyLength: number]>([
    [BYTES, 'application/grpc', 12],
    [`${BYTES}+proto`, 'application/grpc+proto', 12],
    [`${BYTES}+json; charset=utf-8`, 'application/grpc+json', 12],
    ['Application/gRPC-Web', 'application/grpc', 12],
    [TEXT, 'application/grpc', UNKNOWN_LENGTH],
    [`${TEXT}+proto`, 'application/grpc+proto', UNKNOWN_LENGTH],
  ])('%s', (contentType, grpc, bodyLength) => {
    const { exchange } = bridged(contentType)
    const { request } = exchange
    expect(request.headers.fields).toEqual(['content-type', grpc, 'te', 'trailers'])
    expect(request.bodyLength).toBe(bodyLength)
  })

  test.each<[name: string, contentType: string, sketch: RequestSketch]>([
    ['gRPC itself', 'application/grpc', {}],
    ['a longer name', 'application/grpc-website', {}],
    ['GET', BYTES, { method: 'GET' }],
    ['a WebSocket', BYTES, { upgrade: 'websocket' }],
    ['JSON', 'application/json', {}],
  ])('not: %s', (_name, contentType, sketch) => {
    const { wire, exchange } = bridged(contentType, sketch)
    expect(exchange).toBe(wire)
  })

  test('an empty text request stays empty', () => {
    expect(bridged(TEXT, { bodyLength: 0 }).exchange.request.bodyLength).toBe(0)
  })
})

describe('the bridge', () => {
  test('passes on room, drain, abort and the end', () => {
    const { wire, exchange, handler } = bridged(BYTES)
    wire.hasRoom = false
    expect(exchange.sendHead(200, GRPC(), UNKNOWN_LENGTH, false)).toBe(false)
    expect(exchange.sendBody(Buffer.from('abc'))).toBe(false)
    wire.clientReads()
    expect(handler.drains).toBe(1)
    exchange.pauseRequestBody()
    expect(wire.paused).toBe(true)
    exchange.resumeRequestBody()
    expect(wire.paused).toBe(false)
    exchange.sendEnd(null)
    wire.flushed()
    expect([handler.sent, wire.trailers, wire.body]).toEqual([true, null, 'abc'])
    const other = bridged(TEXT)
    other.wire.clientAborts('timeout')
    expect(other.handler.abortReason).toBe('timeout')
  })

  test('an answer of one piece is translated as well', () => {
    const { wire, exchange } = bridged(TEXT)
    exchange.sendWhole(200, GRPC(), 'abcd')
    expect(wire.headers.get('content-type')).toBe('application/grpc-web-text+proto')
    expect(wire.body).toBe('YWJjZA==')
  })

  test('trailers of an answer that is no gRPC stay trailers', () => {
    const { wire, exchange, handler } = bridged(BYTES)
    handler.trailersMayFollow = true
    exchange.sendHead(200, new Headers(['content-type', 'text/plain']), 3, false)
    expect([wire.bodyLength, wire.handler!.trailersMayFollow]).toEqual([3, true])
    exchange.sendBody(Buffer.from('abc'))
    const trailers = new Headers(['x-sum', '1'])
    exchange.sendEnd(trailers)
    expect([wire.body, wire.trailers]).toEqual(['abc', trailers])
  })

  test('the length an upstream gave does not bind the answer', () => {
    const { wire, exchange } = bridged(BYTES)
    exchange.sendHead(200, GRPC(), 3, false)
    expect(wire.bodyLength).toBe(UNKNOWN_LENGTH)
  })

  test('a text body arrives decoded as far as it is whole', () => {
    const { wire, handler } = bridged(TEXT)
    for (const chunk of ['aG', 'VsbG', '8', '=']) wire.clientSends(chunk)
    wire.clientEnds()
    expect([handler.body, handler.ended]).toEqual(['hello', true])
  })

  test('no base64: 400, the handler hears of it once, and of nothing afterwards', () => {
    const { wire, exchange, handler } = bridged(TEXT)
    wire.clientSends('!!!!')
    expect([wire.status, wire.answered, wire.closing]).toEqual([400, true, true])
    expect(handler.abortReason).toBe('protocol-error')
    expect(exchange.ownStatus).toBe(400)
    wire.clientSends('aaaa')
    wire.clientEnds()
    wire.clientReads()
    wire.flushed()
    expect(handler.late).toEqual([])
  })

  test('no base64 while the answer is on its way: reset', () => {
    const { wire, exchange, handler } = bridged(TEXT)
    exchange.sendHead(200, GRPC(), UNKNOWN_LENGTH, false)
    wire.clientSends('!')
    expect([wire.aborted, wire.status]).toEqual([true, 200])
    expect(handler.abortReason).toBe('protocol-error')
  })
})
