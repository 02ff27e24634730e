import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { connect, type ConnectionOptions } from 'node:tls'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { MAX_CLIENT_HELLO_BYTES, parseClientHello } from './client-hello.ts'

/** The first bytes that a node:tls client with these options writes. */
async function captureHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'connection')
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  client.on('error', () => undefined)
  const [socket] = await accepted
  let bytes = Buffer.alloc(0)
  while (parseClientHello(bytes).type === 'incomplete') {
    const [chunk] = await once(socket, 'data')
    bytes = Buffer.concat([bytes, chunk])
  }
  socket.destroy()
  client.destroy()
  server.close()
  await once(server, 'close')
  return bytes
}

/** The handshake message of one record, cut into records of `size` bytes. */
function fragment(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const body = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, body.length >> 8, body.length & 0xff]), body)
  }
  return Buffer.concat(records)
}

/** A ClientHello with exactly these extensions, in one record. */
function helloWith(extensions: Buffer, extensionsLength = extensions.length): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0, 0, 2, 0x13, 0x01, 1, 0]),
    Buffer.from([extensionsLength >> 8, extensionsLength & 0xff]),
    extensions,
  ])
  const message = Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 0xff]), body])
  const header = Buffer.from([22, 3, 1, message.length >> 8, message.length & 0xff])
  return Buffer.concat([header, message])
}

function serverName(name: Buffer, kind = 0): Buffer {
  const listLength = name.length + 3
  return Buffer.concat([
    Buffer.from([0, 0, (listLength + 2) >> 8, (listLength + 2) & 0xff]),
    Buffer.from([listLength >> 8, listLength & 0xff, kind, name.length >> 8, name.length & 0xff]),
    name,
  ])
}

let named: Buffer
let nameless: Buffer
let old: Buffer
beforeAll(async () => {
  named = await captureHello({ servername: 'Shop.Example.COM', ALPNProtocols: ['h2', 'http/1.1'] })
  nameless = await captureHello({ servername: '' })
  old = await captureHello({ servername: 'a.test', maxVersion: 'TLSv1.2' })
})

describe('hellos of node:tls clients', () => {
  test('the name comes back in lower case, null when there is none', () => {
    expect(parseClientHello(named)).toMatchObject({ type: 'hello', serverName: 'shop.example.com' })
    expect(parseClientHello(nameless)).toMatchObject({ type: 'hello', serverName: null })
    expect(parseClientHello(old)).toMatchObject({ type: 'hello', serverName: 'a.test' })
  })

  test('every shorter beginning is incomplete', () => {
    for (const hello of [named, nameless, old]) {
      for (let length = 0; length < hello.length; length++) {
        expect(parseClientHello(hello.subarray(0, length)).type).toBe('incomplete')
      }
    }
  })

  test('bytes behind it do not matter', () => {
    const more = Buffer.concat([named, Buffer.from('GET / HTTP/1.1')])
    expect(parseClientHello(more)).toMatchObject({ type: 'hello', serverName: 'shop.example.com' })
  })

  test.each([100, 500, 1000])('split into records of %i bytes it reads the same', (size) => {
    const bytes = fragment(named, size)
    for (let length = 0; length < bytes.length; length++) {
      expect(parseClientHello(bytes.subarray(0, length)).type).toBe('incomplete')
    }
    expect(parseClientHello(bytes)).toMatchObject({ type: 'hello', serverName: 'shop.example.com' })
  })

  test('split into very many records it is refused', () => {
    expect(parseClientHello(fragment(named, 1)).type).toBe('invalid')
  })
})

describe('what is no ClientHello', () => {
  const cases: [name: string, bytes: Buffer][] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['one wrong byte is enough', Buffer.from('G')],
    ['an alert', Buffer.from([21, 3, 1, 0, 2, 2, 40])],
    ['SSL 2', Buffer.from([0x80, 0x2e, 1, 0, 2])],
    ['a wrong version', Buffer.from([22, 2])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['a ServerHello', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['too long', Buffer.from([22, 3, 1, 0x3f, 0xff, 1, 0, 0x40, 0x01])],
    ['another record in the middle', Buffer.from([22, 3, 1, 0, 1, 1, 21, 3, 1])],
  ]
  test.each(cases)('%s', (_name, bytes) => {
    expect(parseClientHello(bytes).type).toBe('invalid')
  })

  test('the longest allowed is waited for, one byte more is not', () => {
    const limit = MAX_CLIENT_HELLO_BYTES
    const head = (length: number): Buffer =>
      Buffer.from([22, 3, 1, 0x3f, 0xff, 1, 0, length >> 8, length & 0xff])
    expect(parseClientHello(head(limit)).type).toBe('incomplete')
    expect(parseClientHello(head(limit + 1)).type).toBe('invalid')
  })
})

describe('server names', () => {
  const nameOf = (bytes: Buffer): string | null => {
    const hello = parseClientHello(bytes)
    expect(hello.type).toBe('hello')
    return hello.type === 'hello' ? hello.serverName : null
  }

  test('a trailing dot goes', () => {
    expect(nameOf(helloWith(serverName(Buffer.from('a.test.'))))).toBe('a.test')
  })

  test.each(['__proto__', 'constructor', 'a\0b', '\u00ff', 'x'.repeat(300), '*'])(
    'odd ones are just text: %j',
    (name) => {
      expect(nameOf(helloWith(serverName(Buffer.from(name, 'latin1'))))).toBe(name.toLowerCase())
    },
  )

  test('other extensions before it are skipped', () => {
    const other = Buffer.from([0, 16, 0, 2, 9, 9])
    expect(nameOf(helloWith(Buffer.concat([other, serverName(Buffer.from('a.test'))])))).toBe(
      'a.test',
    )
  })

  const nothing: [name: string, extensions: Buffer, length?: number][] = [
    ['no extensions', Buffer.alloc(0)],
    ['an empty name', serverName(Buffer.alloc(0))],
    ['another kind of name', serverName(Buffer.from('a.test'), 1)],
    ['an extension longer than the list', Buffer.from([0, 0, 0xff, 0xff])],
    ['a list longer than the message', serverName(Buffer.from('a.test')), 9999],
    ['half an extension', Buffer.from([0, 0, 0])],
  ]
  test.each(nothing)('%s: none', (_name, extensions, length) => {
    expect(nameOf(helloWith(extensions, length))).toBeNull()
  })
})

describe('any bytes', () => {
  test('give an answer and never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const { type } = parseClientHello(Buffer.from(bytes))
        expect(['incomplete', 'invalid', 'hello']).toContain(type)
      }),
      { numRuns: 500 },
    )
  })

  test('also when they began as a hello', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(changes, fc.nat(), (flips, cut) => {
        const bytes = Buffer.from(named)
        for (const [at, value] of flips) bytes[at % bytes.length] = value
        const hello = parseClientHello(bytes.subarray(0, cut % (bytes.length + 1)))
        if (hello.type === 'hello' && hello.serverName !== null) {
          expect(hello.serverName.length).toBeLessThan(bytes.length)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('more than the limit is never still incomplete', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4000 }),
        fc.integer({ min: 0, max: 0xffffff }),
        (size, wanted) => {
          const message = Buffer.alloc(MAX_CLIENT_HELLO_BYTES + 5)
          message.writeUIntBE(1, 0, 1)
          message.writeUIntBE(wanted, 1, 3)
          const header = Buffer.from([22, 3, 1, 0, 0])
          const bytes = fragment(Buffer.concat([header, message]), size)
          expect(parseClientHello(bytes).type).not.toBe('incomplete')
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('protocols offered by ALPN', () => {
  const list = (...names: string[]): Buffer => {
    const entries = Buffer.concat(
      names.map((name) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name)])),
    )
    const body = Buffer.concat([Buffer.from([0, entries.length]), entries])
    return Buffer.concat([Buffer.from([0, 16, 0, body.length]), body])
  }
  const alpnOf = (...extensions: Buffer[]): readonly string[] => {
    const hello = parseClientHello(helloWith(Buffer.concat(extensions)))
    return hello.type === 'hello' ? hello.alpn : []
  }

  test('come in their order, beside the name', () => {
    const named = helloWith(Buffer.concat([list('istio', 'h2'), serverName(Buffer.from('a.test'))]))
    expect(parseClientHello(named)).toEqual({
      type: 'hello',
      serverName: 'a.test',
      alpn: ['istio', 'h2'],
    })
  })

  test('are none without the extension, and bounded', () => {
    expect(alpnOf(serverName(Buffer.from('a.test')))).toEqual([])
    expect(alpnOf(list(...Array.from({ length: 40 }, () => 'x')))).toHaveLength(16)
  })
})
