import { describe, expect, test } from 'vitest'
import { UNDERSCORE_NAME } from './refusal.ts'
import { parseTrailers } from './trailers.ts'

function fieldsOf(...names: readonly string[]): readonly string[] {
  const text = names.map((name) => `${name}: 1\r\n`).join('')
  const trailers = parseTrailers(text, 100, 'allow')
  return trailers !== null && 'fields' in trailers ? trailers.fields : []
}

describe('may not be trailers:', () => {
  test.each([
    ['framing', ['Content-Length', 'Transfer-Encoding', 'Trailer', 'Connection', 'Keep-Alive']],
    ['the hop', ['TE', 'Upgrade', 'Proxy-Connection', 'HTTP2-Settings']],
    ['routing', ['Host', 'Max-Forwards', 'Expect']],
    ['credentials', ['Authorization', 'Proxy-Authorization', 'Cookie', 'Set-Cookie']],
    ['challenges', ['WWW-Authenticate', 'Proxy-Authenticate']],
    ['conditions', ['If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since']],
    ['ranges', ['Range', 'If-Range', 'Content-Range']],
    ['caching', ['Cache-Control', 'Pragma', 'Age', 'Expires', 'Vary']],
    ['what the content is', ['Content-Type', 'Content-Encoding']],
    ['what an answer asks for', ['Location', 'Retry-After', 'Date', 'Server']],
    ['the chain of proxies', ['Forwarded', 'Via', 'X-Real-IP', 'X-Request-ID']],
    ['who the client is', ['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Client-Cert']],
    ['where it asked', ['X-Forwarded-Host', 'X-Forwarded-Port']],
    ['what Envoy says', ['X-Envoy-External-Address', 'X-Envoy-Peer-Metadata', 'x-envoy-anything']],
  ])('%s', (_what, names) => {
    expect(fieldsOf('x-before', ...names, 'x-behind')).toEqual(['x-before', '1', 'x-behind', '1'])
  })
})

test('checksums, signatures, timings and statuses pass', () => {
  const names = ['content-digest', 'etag', 'grpc-status', 'grpc-message', 'server-timing', 'x-sum']
  expect(fieldsOf(...names)).toEqual(names.flatMap((name) => [name, '1']))
})

test('names with underscores pass, are left out or refuse the message', () => {
  const text = 'X-Sum: 1\r\nX_Forwarded_For: 1.1.1.1\r\n'
  expect(parseTrailers(text, 100, 'allow')).toMatchObject({
    fields: ['x-sum', '1', 'x_forwarded_for', '1.1.1.1'],
  })
  expect(parseTrailers(text, 100, 'drop')).toMatchObject({ fields: ['x-sum', '1'] })
  expect(parseTrailers(text, 100, 'reject')).toBe(UNDERSCORE_NAME)
})
