import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawSocket } from '../../test/support/raw-socket.ts'
import { HeadReader } from './head-reader.ts'
import { HttpSettings } from './http-settings.ts'
import { Refusal } from './refusal.ts'
import { RequestHeadParser } from './request-head.ts'

/**
 * Node's parser (llhttp, strict) as a second opinion: whatever we accept it accepts too, with the
 * same method, target and fields. Where we refuse and it does not, the difference is listed.
 */
const server = createServer({ maxHeaderSize: 65_536 }, (request, response) => {
  response.end(JSON.stringify({ method: request.method, raw: request.rawHeaders }))
})

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function nodeAccepts(message: string): Promise<boolean> {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const client = await RawSocket.connect(address.port)
  const text = await client.write(message).until(/^HTTP\/1\.1 \d+/)
  client.destroy()
  return text.startsWith('HTTP/1.1 200')
}

function weAccept(message: string): boolean {
  const reader = new HeadReader(61_440, 1)
  if (!reader.read(Buffer.from(message, 'latin1'), 0)) return false
  const parser = new RequestHeadParser(new HttpSettings(), 'http')
  return !(parser.parse(reader.text, reader.end) instanceof Refusal)
}

const base = ['Host: shop.test', 'Connection: close']

function get(...lines: string[]): string {
  return ['GET /a?b HTTP/1.1', ...base, ...lines, '', ''].join('\r\n')
}

const corpus: readonly (readonly [string, string])[] = [
  ['plain', get()],
  ['many fields', get(...Array.from({ length: 90 }, (_, i) => `x-${i}: ${i}`))],
  ['high bytes in a value', get('X: \xe9\xff')],
  ['tab in a value', get('X: a\tb')],
  ['empty value', get('X:')],
  ['two lengths', get('Content-Length: 0', 'Content-Length: 0')],
  ['length and coding', get('Content-Length: 3', 'Transfer-Encoding: chunked')],
  ['bad length', get('Content-Length: 3a')],
  ['space before colon', get('X : a')],
  ['folding', get('X: a', ' b')],
  ['NUL', get('X: \0')],
  ['bare CR', get('X: a\rb')],
  ['bare LF', get('X: a\nY: b')],
  ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ['bad method', 'G@T / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['bad version', 'GET / HTTP/3.1\r\nHost: a\r\n\r\n'],
  ['coding not last', get('Transfer-Encoding: chunked, identity')],
]

/** Refused by us alone: reading them is legal, but somebody behind us may read them otherwise. */
const stricter: readonly (readonly [string, string])[] = [
  ['HTTP/0.9', 'GET /\r\nHost: a\r\n\r\n'],
  ['two Hosts', get('Host: locked.test')],
  ['Host with userinfo', 'GET / HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n'],
  ['underscore', get('X_A: b')],
  ['two Authorizations', get('Authorization: a', 'Authorization: b')],
  ['fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
]

test.each(corpus)('both agree on %s', async (_name, message) => {
  expect(weAccept(message)).toBe(await nodeAccepts(message))
})

test.each(stricter)('we alone refuse %s', async (_name, message) => {
  expect(weAccept(message)).toBe(false)
  expect(await nodeAccepts(message)).toBe(true)
})
