import {
  answered,
  get,
  lines,
  passes,
  post,
  refused,
  request,
  SMUGGLED,
  table,
  type WireCase,
} from './case.ts'

const PEER = 'x-forwarded-for: 127.0.0.1'

/** Names that JavaScript objects know already. */
const OBJECT_NAMES = [
  'constructor',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'prototype',
  'isPrototypeOf',
  'toLocaleString',
  'propertyIsEnumerable',
  '0',
  '1',
  '4294967295',
  'length',
]
const OBJECT_UNDERSCORES = ['__proto__', '__defineGetter__', '__lookupSetter__']

/** Client-sent fields that only the gateway may vouch for. */
const SPOOFED = [
  'X-Envoy-Retry-On: 5xx',
  'X-Envoy-Max-Retries: 100',
  'X-Envoy-Upstream-RQ-Timeout-Ms: 1',
  'X-Envoy-Internal: true',
  'X-Envoy-Original-Path: /admin',
  'X-Envoy-Decorator-Operation: x',
  'X-Envoy-Expected-RQ-Timeout-Ms: 1',
  'X-Forwarded-Client-Cert: By=spiffe://evil',
]

/** Names in Connection, and what must be true of the forwarded request. */
const NOMINATED: readonly (readonly [
  string,
  readonly string[],
  readonly string[],
  readonly string[],
])[] = [
  ['X-A', ['X-A: 1'], [], ['x-a', 'connection']],
  ['close, X-A', ['X-A: 1'], [], ['x-a', 'connection']],
  ['x-a,X-B , x-c', ['X-A: 1', 'X-B: 1', 'X-C: 1', 'X-D: 1'], ['x-d: 1'], ['x-a', 'x-b', 'x-c']],
  ['X-Forwarded-For', ['X-Forwarded-For: 1.2.3.4'], [PEER], []],
  ['X-Forwarded-Proto', [], ['x-forwarded-proto: http'], []],
  ['X-Request-Id', [], [], []],
  ['Host', [], ['host: shop.test'], []],
  ['Content-Length', [], ['host: shop.test'], []],
  ['Transfer-Encoding', [], ['host: shop.test'], []],
  ['Keep-Alive', ['Keep-Alive: timeout=5'], [], ['keep-alive']],
  ['Authorization', ['Authorization: Basic eA=='], [], ['authorization']],
  ['Cookie', ['Cookie: a=b'], [], ['cookie']],
  ['TE', ['TE: trailers'], ['te: trailers'], []],
  [',,X-A,,', ['X-A: 1'], [], ['x-a']],
  ['Connection', [], [], ['connection']],
  ['Upgrade', [], [], ['upgrade']],
]

const BAD_CONNECTION: readonly (readonly [string, string])[] = [
  ['a space in a name', 'close x'],
  ['a colon', 'X: a'],
  ['quotes', '"close"'],
  ['a semicolon', 'close;x'],
  ['a high byte', 'clos\xe9'],
  ['65 names', Array.from({ length: 65 }, (_, i) => `x${i}`).join(',')],
  ['a slash', 'x/y'],
]

const EXPECTATIONS: readonly (readonly [string, string])[] = [
  ['a word before', 'y 100-continue'],
  ['a word behind', '100-continue y'],
  ['a list', '100-continue, x'],
  ['a parameter', '100-continue;q=1'],
  ['quotes', '"100-continue"'],
  ['another number', '101-continue'],
  ['only a number', '100'],
  ['empty', ''],
  ['something else', 'x'],
  ['a joined twin', '100-continue,100-continue'],
]

const fields = (count: number): string[] => Array.from({ length: count }, (_, i) => `x-${i}: ${i}`)

export const headers: readonly WireCase[] = [
  ...table(
    OBJECT_NAMES.flatMap((name) => [
      [`field ${name}`, get(`${name}: a`), passes({ has: [`${name.toLowerCase()}: a`] })],
      [
        `field ${name} twice`,
        get(`${name}: a`, `${name}: b`),
        passes({ has: [`${name.toLowerCase()}: a`, `${name.toLowerCase()}: b`] }),
      ],
    ]),
  ),
  ...table(
    OBJECT_UNDERSCORES.flatMap((name) => [
      [`field ${name}`, get(`${name}: a`) + SMUGGLED, refused(400)],
      [`field ${name} twice`, get(`${name}: a`, `${name}: b`), refused(400)],
    ]),
  ),
  ...table(
    SPOOFED.map((line) => [
      `spoofed ${line}`,
      get(line),
      passes({ lacks: [line.slice(0, line.indexOf(':')).toLowerCase()] }),
    ]),
  ),
  ...table(
    NOMINATED.map(([value, sent, has, lacks]) => [
      `Connection: ${value}`,
      get(`Connection: ${value}`, ...sent),
      passes({ has, lacks }),
    ]),
  ),
  ...table(
    BAD_CONNECTION.map(([name, value]) => [
      `Connection with ${name}`,
      get(`Connection: ${value}`) + SMUGGLED,
      refused(400),
    ]),
  ),
  ...table(
    EXPECTATIONS.map(([name, value]) => [
      `Expect with ${name}`,
      post([`Expect: ${value}`, 'Content-Length: 5'], `hello${SMUGGLED}`),
      refused(417),
    ]),
  ),
  ...table([
    [
      'X-Forwarded-For of a client',
      get('X-Forwarded-For: 1.2.3.4'),
      passes({ has: ['x-forwarded-for: 1.2.3.4,127.0.0.1'] }),
    ],
    [
      'X-Forwarded-For on two lines',
      get('X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 2.2.2.2'),
      passes({ has: ['x-forwarded-for: 1.1.1.1,2.2.2.2,127.0.0.1'] }),
    ],
    [
      'X-Forwarded-Proto of a client',
      get('X-Forwarded-Proto: https'),
      passes({ has: ['x-forwarded-proto: http'] }),
    ],
    [
      'X-Forwarded-Proto twice',
      get('X-Forwarded-Proto: https', 'X-Forwarded-Proto: gopher'),
      passes({ has: ['x-forwarded-proto: http'] }),
    ],
    [
      'X-Envoy-External-Address of a client',
      get('X-Envoy-External-Address: 1.1.1.1'),
      passes({ has: ['x-envoy-external-address: 127.0.0.1'] }),
    ],
    [
      'X-Envoy names that nobody knows',
      get('X-Envoy-Upstream-Canary: 1', 'X-Envoy-Some-Day: 1', 'X-Envoy: 1'),
      passes({ has: ['x-envoy: 1'], lacks: ['x-envoy-upstream-canary', 'x-envoy-some-day'] }),
    ],
    [
      'Connection on two lines',
      get('Connection: X-A', 'Connection: X-B', 'X-A: 1', 'X-B: 1'),
      passes({ lacks: ['x-a', 'x-b'] }),
    ],
    [
      'Proxy-Connection',
      get('Proxy-Connection: keep-alive'),
      passes({ lacks: ['proxy-connection'] }),
    ],
    ['Keep-Alive', get('Keep-Alive: timeout=1'), passes({ lacks: ['keep-alive'] })],
    ['TE: trailers', get('TE: trailers'), passes({ has: ['te: trailers', 'connection: te'] })],
    ['TE: gzip', get('TE: gzip'), passes({ lacks: ['te'] })],
    ['TE: a list with trailers', get('TE: gzip, trailers;q=0.5'), passes()],
    ['two Authorizations', get('Authorization: a', 'Authorization: b') + SMUGGLED, refused(400)],
    ['two equal Authorizations', get('Authorization: a', 'authorization: a'), refused(400)],
    [
      'two Content-Types',
      post(['Content-Type: a/b', 'Content-Type: c/d', 'Content-Length: 0'], ''),
      refused(400),
    ],
    [
      'two Cookies',
      get('Cookie: a=1', 'Cookie: b=2'),
      passes({ has: ['cookie: a=1', 'cookie: b=2'] }),
    ],
    [
      'two User-Agents',
      get('User-Agent: a', 'User-Agent: b'),
      passes({ has: ['user-agent: a', 'user-agent: b'] }),
    ],
    [
      'fields in their order',
      get('B: 1', 'A: 2', 'B: 3'),
      passes({ has: ['b: 1', 'a: 2', 'b: 3'] }),
    ],
    ['100 fields', get(...fields(99)), passes({ has: ['x-98: 98'] })],
    ['101 fields', get(...fields(100)) + SMUGGLED, refused(431)],
    ['1,000 fields', get(...fields(999)) + SMUGGLED, refused(431)],
    [
      'a field of 16 KiB',
      get(`X: ${'y'.repeat(16_384)}`),
      passes({ has: [`x: ${'y'.repeat(16_384)}`] }),
    ],
    [
      'a name of 200 bytes',
      get(`${'x'.repeat(200)}: y`),
      passes({ has: [`${'x'.repeat(200)}: y`] }),
    ],
    [
      '64 names in Connection',
      get(
        `Connection: ${fields(64)
          .map((field) => field.slice(0, field.indexOf(':')))
          .join(',')}`,
      ),
      passes(),
    ],
    [
      'Expect in another case',
      post(['Expect: 100-Continue', 'Content-Length: 5'], 'hello'),
      passes({ body: 'hello', has: ['expect: 100-continue'] }),
    ],
    ['Expect without a body', get('Expect: 100-continue'), passes({ lacks: ['expect'] })],
    [
      'Expect on a chunked body',
      post(['Expect: 100-continue', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
      passes({ body: 'hello' }),
    ],
    [
      'Expect twice',
      post(
        ['Expect: 100-continue', 'Expect: 100-continue', 'Content-Length: 5'],
        `hello${SMUGGLED}`,
      ),
      refused(417),
    ],
    [
      'Expect to a host nobody serves',
      lines(
        'POST /a HTTP/1.1',
        'Host: nobody.test',
        'Expect: 100-continue',
        'Content-Length: 5',
        '',
      ),
      answered([404], 0),
    ],
    [
      'Expect to the guarded path',
      lines(
        'POST /admin HTTP/1.1',
        'Host: locked.test',
        'Expect: 100-continue',
        'Content-Length: 5',
        '',
      ),
      answered([403], 0),
    ],
    [
      'Upgrade to h2c',
      get(
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAAQAAP__',
      ),
      passes({ lacks: ['upgrade', 'http2-settings', 'connection'] }),
    ],
    [
      'Upgrade to h2c, then a request',
      get('Connection: Upgrade', 'Upgrade: h2c') + SMUGGLED,
      answered([200, 403], 1),
    ],
    [
      'Upgrade that Connection does not name',
      get('Upgrade: websocket'),
      passes({ lacks: ['upgrade'] }),
    ],
    [
      'Upgrade on POST',
      post(['Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 0'], ''),
      passes({ lacks: ['upgrade'] }),
    ],
    [
      'Upgrade with a body',
      request('GET /a HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 5') +
        'hello',
      passes({ body: 'hello', lacks: ['upgrade'] }),
    ],
    [
      'Upgrade with chunks, a tab behind chunked',
      request(
        'GET /a HTTP/1.1',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Transfer-Encoding: chunked \t',
      ) + '5\r\nhello\r\n0\r\n\r\n',
      passes({ body: 'hello', lacks: ['upgrade'] }),
    ],
    [
      'Upgrade to a list',
      get('Connection: Upgrade', 'Upgrade: websocket, h2c'),
      passes({ lacks: ['upgrade'] }),
    ],
    [
      'Upgrade to TLS',
      get('Connection: Upgrade', 'Upgrade: TLS/1.0') + SMUGGLED,
      answered([403], 0),
    ],
    [
      'a refused Upgrade with a request behind it',
      get('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13') + SMUGGLED,
      answered([200], 1),
    ],
    ['two pipelined requests', get() + get(), answered([200, 200], 2)],
    ['twenty pipelined requests', get().repeat(20), answered(Array<number>(20).fill(200), 20)],
    [
      'a bad request behind a good one',
      `${get()}GET /b HTTP/1.1\r\nHost : a\r\n\r\n`,
      { answers: [[200], [400]], forwarded: 1 },
    ],
    [
      'garbage behind a good request',
      `${get()}\0\x01\x02`,
      { answers: [[200], [400]], forwarded: 1 },
    ],
    ['half a request behind a good one', `${get()}GET /b HT`, answered([200], 1)],
    ['a request behind Connection: close', get('Connection: close') + SMUGGLED, answered([200], 1)],
    [
      'a request behind Connection: CLOSE in a list',
      get('Connection: x, CLOSE') + SMUGGLED,
      answered([200], 1),
    ],
    ['HEAD, then GET', request('HEAD /a HTTP/1.1') + get(), answered([200, 200], 2)],
  ]),
]
