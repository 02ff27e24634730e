import type { Script } from '../support/hostile-backend.ts'

export interface HostileCase {
  readonly name: string
  readonly script: Script
  /** What the client is told, or null when its connection is cut before or within the answer. */
  readonly status: number | null
  readonly flags: string
  readonly body?: string
  readonly method?: string
  readonly fields?: readonly string[]
  /** Body the client sends; a `Content-Length` of `announced` when that is more. */
  readonly sends?: string
  readonly announced?: number
  /** The connection may serve again: the answer was odd, but clear. */
  readonly reusable?: boolean
  /** What it does when the client has its answer and the connection is idle. */
  readonly later?: Script
  /** Host of the request; slow.test has a timeout. Default shop.test. */
  readonly host?: string
}

const OK = 'HTTP/1.1 200 OK\r\n'
const POISON = `${OK}Content-Length: 8\r\n\r\npoisoned`
const says =
  (text: string): Script =>
  (peer) =>
    void peer.send(text)
const saysAndEnds =
  (text: string): Script =>
  (peer) =>
    peer.send(text).end()

const bad = (name: string, answer: string): HostileCase => ({
  name,
  script: says(answer),
  status: 502,
  flags: 'UPE',
})
const cutWithin = (name: string, script: Script, flags = 'UC'): HostileCase => ({
  name,
  script,
  status: null,
  flags,
})
const good = (name: string, answer: string, more: Partial<HostileCase> = {}): HostileCase => ({
  name,
  script: says(answer),
  status: 200,
  flags: '-',
  body: 'ok',
  ...more,
})

const PLAIN = `${OK}Content-Length: 2\r\n\r\nok`

const STATUS_LINES = [
  'HTTP/1.1 20 OK',
  'HTTP/1.1 2000 OK',
  'HTTP/1.1 abc OK',
  'HTTP/1.1 099 OK',
  'HTTP/1.1 -20 OK',
  'HTTP/1.1  200 OK',
  'HTTP/1.1\t200 OK',
  'HTTP/1.1',
  'HTTP/2.0 200 OK',
  'HTTP/0.9 200 OK',
  'http/1.1 200 OK',
  'HTTP/11 200 OK',
  'ICY 200 OK',
  '200 OK',
  ' HTTP/1.1 200 OK',
  'GET / HTTP/1.1',
]

const HEAD_LINES: readonly (readonly [string, string])[] = [
  ['no colon', 'X'],
  ['an empty name', ': a'],
  ['a space before the colon', 'X : a'],
  ['a folded line', 'X: a\r\n b'],
  ['a leading space', ' X: a'],
  ['NUL in a value', 'X: a\0b'],
  ['an escape character in a value', 'X: \x1b[31m'],
  ['bare CR in a value', 'X: a\rSet-Cookie: admin=1'],
  ['bare LF in a value', 'X: a\nSet-Cookie: admin=1'],
  ['a high byte in a name', 'X\xe9: a'],
  ['a space in a name', 'X Y: a'],
]

const FRAMINGS: readonly (readonly [string, string])[] = [
  ['length and coding', 'Content-Length: 2\r\nTransfer-Encoding: chunked'],
  ['coding and length', 'Transfer-Encoding: chunked\r\nContent-Length: 2'],
  ['two lengths', 'Content-Length: 2\r\nContent-Length: 3'],
  ['two equal lengths', 'Content-Length: 2\r\nContent-Length: 2'],
  ['a list of lengths', 'Content-Length: 2, 2'],
  ['a signed length', 'Content-Length: +2'],
  ['an empty length', 'Content-Length:'],
  ['a hexadecimal length', 'Content-Length: 0x2'],
  ['a length of 40 digits', `Content-Length: ${'2'.repeat(40)}`],
  ['gzip', 'Transfer-Encoding: gzip'],
  ['gzip behind chunked', 'Transfer-Encoding: chunked, gzip'],
  ['two codings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
  ['xchunked', 'Transfer-Encoding: xchunked'],
]

const CHUNKS: readonly (readonly [string, string])[] = [
  ['no chunk at all', 'hello world\r\n'],
  ['a negative size', '-1\r\nok\r\n0\r\n\r\n'],
  ['LF behind a size', '2\nok\r\n0\r\n\r\n'],
  ['data longer than its size', '2\r\nokay\r\n0\r\n\r\n'],
  ['a size of 17 digits', '10000000000000002\r\nok\r\n0\r\n\r\n'],
  ['a bad trailer', '2\r\nok\r\n0\r\nX : a\r\n\r\n'],
]

const LONG = 'x'.repeat(200_000)

const slow = { host: 'slow.test', flags: 'UT' } as const

/** Backends that break the protocol, the connection, or their word. */
export const hostileCases: readonly HostileCase[] = [
  { name: 'closes without a word', script: (peer) => peer.end(), status: 503, flags: 'UC' },
  { name: 'resets without a word', script: (peer) => peer.reset(), status: 503, flags: 'UC' },
  { name: 'closes within its head', script: saysAndEnds(`${OK}X: `), status: 503, flags: 'UC' },
  {
    name: 'resets within its head',
    script: (peer) => {
      peer.socket.write(`${OK}X: `, () => peer.reset())
    },
    status: 503,
    flags: 'UC',
  },
  {
    name: 'closes behind an informational answer',
    script: saysAndEnds('HTTP/1.1 103 Early Hints\r\n\r\n'),
    status: 503,
    flags: 'UC',
  },
  bad('speaks another protocol', 'hello world\r\n\r\n'),
  bad('speaks TLS', '\x15\x03\x01\x00\x02\x02\x46'),
  bad('speaks HTTP/2', '\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64\r\n\r\n'),
  bad('begins with an empty line', `\r\n${POISON}`),
  bad('ends its lines with LF', POISON.replaceAll('\r\n', '\n')),
  bad('sends a head of 70 KiB', `${OK}X: ${'y'.repeat(70_000)}\r\n\r\n`),
  bad('sends a head that never ends', `${OK}${'X: y\r\n'.repeat(20_000)}`),
  bad('sends 101 fields', `${OK}${'X: y\r\n'.repeat(101)}\r\n`),
  bad('sends 33 informational answers', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(33)),
  bad(
    'sends long informational answers',
    `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(2000)}\r\n\r\n`.repeat(9),
  ),
  bad('sends informational answers without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(5000)),
  bad('switches protocols unasked', 'HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
  bad('chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  ...STATUS_LINES.map((line) => bad(`status line ${line}`, `${line}\r\nContent-Length: 0\r\n\r\n`)),
  ...HEAD_LINES.map(([name, line]) =>
    bad(`head with ${name}`, `${OK}${line}\r\nContent-Length: 2\r\n\r\nok`),
  ),
  ...FRAMINGS.map(([name, fields]) => bad(`framed by ${name}`, `${OK}${fields}\r\n\r\nok`)),
  ...CHUNKS.map(([name, body]) =>
    cutWithin(
      `chunked with ${name}`,
      says(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n${body}`),
      'UPE',
    ),
  ),
  cutWithin('closes within a body', saysAndEnds(`${OK}Content-Length: 10\r\n\r\nok`)),
  cutWithin('closes within a chunk', saysAndEnds(`${OK}Transfer-Encoding: chunked\r\n\r\n9\r\nok`)),
  cutWithin(
    'closes before the last chunk',
    saysAndEnds(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`),
  ),
  cutWithin(
    'closes within trailers',
    saysAndEnds(`${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX: a`),
  ),
  cutWithin('resets within a body', (peer) => {
    peer.socket.write(`${OK}Content-Length: 10\r\n\r\nok`, () => setImmediate(() => peer.reset()))
  }),
  good('answers with a surplus', `${OK}Content-Length: 2\r\n\r\nok${POISON}`),
  good(
    'answers with a surplus behind its last chunk',
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n${POISON}`,
  ),
  good('answers with one byte too many', `${OK}Content-Length: 2\r\n\r\nok!`),
  good('answers with CRLF too many', `${OK}Content-Length: 2\r\n\r\nok\r\n`),
  good('puts a body behind 204', `HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\npoisoned`, {
    status: 204,
    body: '',
  }),
  good('puts an answer behind 204', `HTTP/1.1 204 No Content\r\n\r\n${POISON}`, {
    status: 204,
    body: '',
  }),
  good('puts a body behind 304', `HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\npoisoned`, {
    status: 304,
    body: '',
  }),
  good('puts a body behind the head of HEAD', `${OK}Content-Length: 8\r\n\r\npoisoned`, {
    method: 'HEAD',
    body: '',
  }),
  good('puts an answer behind an empty one', `${OK}Content-Length: 0\r\n\r\n${POISON}`, {
    body: '',
  }),
  good('sends an answer nobody asked for', PLAIN, { later: says(POISON) }),
  good('sends one byte to an idle connection', PLAIN, { later: says('\0') }),
  good('sends Continue to an idle connection', PLAIN, {
    later: says('HTTP/1.1 100 Continue\r\n\r\n'),
  }),
  good('closes an idle connection', PLAIN, { later: (peer) => peer.end() }),
  good('resets an idle connection', PLAIN, { later: (peer) => peer.reset() }),
  good('sends an answer nobody asked for and closes', PLAIN, { later: saysAndEnds(POISON) }),
  { ...good('ends its body by closing', ''), script: saysAndEnds(`${OK}\r\nok`) },
  {
    ...good('drips its answer', ''),
    script: (peer) =>
      peer.drip(`${OK}Transfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\n\r\n`),
    reusable: true,
  },
  good(
    'sends 32 informational answers',
    `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(32)}${OK}Content-Length: 2\r\n\r\nok`,
    { reusable: true },
  ),
  good('says Continue to nobody', `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`, {
    reusable: true,
  }),
  good('says that it closes and does not', `${OK}Connection: close\r\nContent-Length: 2\r\n\r\nok`),
  good('allows no reuse', `${OK}Keep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nok`),
  good('answers in HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  good(
    'knows the names of objects',
    `${OK}__proto__: a\r\nconstructor: b\r\nContent-Length: 2\r\n\r\nok`,
    { reusable: true },
  ),
  { name: 'says nothing', script: () => {}, status: 504, ...slow },
  { name: 'stops within its head', script: says(`${OK}X:`), status: 504, ...slow },
  {
    name: 'stops within its body',
    script: says(`${OK}Content-Length: 9\r\n\r\nok`),
    status: null,
    ...slow,
  },
  { name: 'hints and says no more', script: says('HTTP/1.1 103 x\r\n\r\n'), status: 504, ...slow },
  {
    name: 'answers before the request is complete',
    script: says('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'),
    status: 413,
    flags: '-',
    body: 'no',
    method: 'POST',
    sends: 'x',
    announced: 100_000_000,
  },
  {
    name: 'answers early and closes',
    script: saysAndEnds('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'),
    status: 413,
    flags: '-',
    body: 'no',
    method: 'POST',
    sends: LONG,
  },
  {
    name: 'resets within the request body',
    script: (peer) => peer.reset(),
    status: 503,
    flags: 'UC',
    method: 'POST',
    sends: LONG,
  },
  good('answers an Upgrade with 200 and more', `${OK}Content-Length: 2\r\n\r\nok${POISON}`, {
    fields: ['Connection: Upgrade', 'Upgrade: websocket'],
  }),
  {
    ...bad(
      'switches to another protocol',
      'HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
    ),
    fields: ['Connection: Upgrade', 'Upgrade: websocket'],
  },
  {
    ...bad('switches without saying to what', `HTTP/1.1 101 x\r\n\r\n${POISON}`),
    fields: ['Connection: Upgrade', 'Upgrade: websocket'],
  },
]
