/** A request as one reader understood it. */
export interface ReadRequest {
  readonly method: string
  readonly target: string
  /** `name: value`, name lower-case, value trimmed, in the order they came. */
  readonly fields: readonly string[]
  readonly body: string
  /** As `fields`; what stood behind the last chunk. */
  readonly trailers: readonly string[]
  /** False when the bytes end within it. */
  readonly complete: boolean
}

/** What is there of a request whose head is not. */
const BEGUN: ReadRequest = {
  method: '',
  target: '',
  fields: [],
  body: '',
  trailers: [],
  complete: false,
}

/** All requests that a reader finds in the bytes of one connection (as latin1 text). */
export interface Reading {
  readonly requests: readonly ReadRequest[]
  /** Why the reader gave up, or null. */
  readonly broken: string | null
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/1\.1$/
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7e\x80-\xff]*)$/

/**
 * The reader that a careful backend would have: nothing but the plainest grammar of RFC 9112, one
 * Host, one framing. Whatever it does not understand breaks the reading.
 */
export function readStrictly(text: string, start = 0): Reading & { readonly end: number } {
  const requests: ReadRequest[] = []
  let at = start
  while (at < text.length) {
    const headEnd = text.indexOf('\r\n\r\n', at)
    if (headEnd === -1) {
      requests.push(BEGUN)
      break
    }
    const [first = '', ...lines] = text.slice(at, headEnd).split('\r\n')
    const line = REQUEST_LINE.exec(first)
    if (line === null) return { requests, broken: `request line ${quoted(first)}`, end: at }
    const fields: string[] = []
    for (const raw of lines) {
      const field = FIELD_LINE.exec(raw)
      if (field === null) return { requests, broken: `field line ${quoted(raw)}`, end: at }
      fields.push(`${field[1]!.toLowerCase()}: ${field[2]!.trim()}`)
    }
    const framing = strictFraming(fields)
    if (typeof framing === 'string') return { requests, broken: framing, end: at }
    const body =
      framing === -1 ? strictChunks(text, headEnd + 4) : counted(text, headEnd + 4, framing)
    if (body === null) return { requests, broken: 'chunk syntax', end: at }
    requests.push({ method: line[1]!, target: line[2]!, fields, ...body })
    if (!body.complete) break
    at = body.end
  }
  return { requests, broken: null, end: at }
}

interface ReadBody {
  readonly body: string
  readonly trailers: readonly string[]
  readonly complete: boolean
  readonly end: number
}

/** Length, -1 for chunked, or what is wrong. */
function strictFraming(fields: readonly string[]): number | string {
  const of = (name: string): string[] => fields.filter((field) => field.startsWith(`${name}: `))
  if (of('host').length !== 1) return `${of('host').length} Host fields`
  const lengths = of('content-length')
  const codings = of('transfer-encoding')
  if (lengths.length + codings.length > 1) return 'more than one framing field'
  if (codings.length === 1) return codings[0] === 'transfer-encoding: chunked' ? -1 : codings[0]!
  if (lengths.length === 0) return 0
  const digits = /^content-length: (\d{1,15})$/.exec(lengths[0]!)
  return digits === null ? lengths[0]! : Number(digits[1])
}

function counted(text: string, start: number, length: number): ReadBody {
  const end = Math.min(text.length, start + length)
  return { body: text.slice(start, end), trailers: [], complete: end === start + length, end }
}

/** Chunks without extensions, trailers of plain field lines; null when malformed. */
function strictChunks(text: string, start: number): ReadBody | null {
  let body = ''
  let at = start
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return { body, trailers: [], complete: false, end: text.length }
    const line = text.slice(at, lineEnd)
    if (!/^[0-9a-f]{1,8}$/.test(line)) return null
    const size = Number.parseInt(line, 16)
    if (size === 0) return strictTrailers(text, lineEnd + 2, body)
    const end = lineEnd + 2 + size
    body += text.slice(lineEnd + 2, end)
    if (text.length < end + 2) return { body, trailers: [], complete: false, end: text.length }
    if (!text.startsWith('\r\n', end)) return null
    at = end + 2
  }
}

function strictTrailers(text: string, start: number, body: string): ReadBody | null {
  const trailers: string[] = []
  let at = start
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return { body, trailers, complete: false, end: text.length }
    if (lineEnd === at) return { body, trailers, complete: true, end: at + 2 }
    const field = FIELD_LINE.exec(text.slice(at, lineEnd))
    if (field === null) return null
    trailers.push(`${field[1]!.toLowerCase()}: ${field[2]!.trim()}`)
    at = lineEnd + 2
  }
}

/** How a sloppy backend takes a head apart and finds the end of a body. */
interface SloppyReader {
  /** Index of the end of the head's lines and of the first byte behind it, or null when incomplete. */
  head(text: string, at: number): { readonly lines: string[]; readonly end: number } | null
  /** Bytes of body, or -1 for chunked. */
  framing(fields: readonly string[]): number
  chunkSize(line: string): number
  /** Index behind the line that begins at `at`, and its text. */
  line(text: string, at: number): { readonly text: string; readonly end: number } | null
}

/** Believes Content-Length, the last one, by its leading digits; Transfer-Encoding only without it. */
const BY_LENGTH: SloppyReader = {
  head(text, at) {
    const end = text.indexOf('\r\n\r\n', at)
    return end === -1 ? null : { lines: text.slice(at, end).split('\r\n'), end: end + 4 }
  },
  framing(fields) {
    const length = fields.findLast((field) => field.startsWith('content-length:'))
    if (length !== undefined)
      return Number.parseInt(length.slice('content-length:'.length), 10) || 0
    return fields.some((field) => /^transfer-encoding:.*chunked/i.test(field)) ? -1 : 0
  },
  chunkSize: (line) => Number.parseInt(line, 16),
  line: crlfLine,
}

/** Believes whatever looks like a chunked coding; Content-Length, the first one, only without it. */
const BY_CODING: SloppyReader = {
  head: BY_LENGTH.head,
  framing(fields) {
    if (fields.some((field) => /^transfer[-_ ]encoding\s*:[^]*chunk/i.test(field))) return -1
    const length = fields.find((field) => /^content[-_ ]length\s*:/.test(field))
    return length === undefined ? 0 : Number(/\d+/.exec(length)?.[0] ?? 0)
  },
  chunkSize: (line) => Number.parseInt(/^\s*(?:0x)?([0-9a-f]+)/i.exec(line)?.[1] ?? 'x', 16),
  line: crlfLine,
}

/** Ends lines at CRLF, LF or CR, skips empty lines before a request, joins folded lines. */
const BY_LINES: SloppyReader = {
  head(text, at) {
    const lines: string[] = []
    let next = at
    for (;;) {
      const line = anyLine(text, next)
      if (line === null) return null
      next = line.end
      if (line.text === '' && lines.length > 0) return { lines, end: next }
      if (/^[ \t]/.test(line.text) && lines.length > 0) lines.push(`${lines.pop()!} ${line.text}`)
      else if (line.text !== '') lines.push(line.text)
    }
  },
  framing(fields) {
    const coding = fields.findLast((field) => field.startsWith('transfer-encoding:'))
    if (coding !== undefined && /chunked\W*$/i.test(coding)) return -1
    const length = fields.findLast((field) => field.startsWith('content-length:'))
    return length === undefined ? 0 : Number(length.slice('content-length:'.length)) || 0
  },
  chunkSize: (line) => Number.parseInt(line.trim(), 16),
  line: anyLine,
}

function crlfLine(text: string, at: number): { text: string; end: number } | null {
  const end = text.indexOf('\r\n', at)
  return end === -1 ? null : { text: text.slice(at, end), end: end + 2 }
}

function anyLine(text: string, at: number): { text: string; end: number } | null {
  const mark = /\r\n|\n|\r/g
  mark.lastIndex = at
  const found = mark.exec(text)
  return found === null
    ? null
    : { text: text.slice(at, found.index), end: found.index + found[0].length }
}

function readSloppily(text: string, reader: SloppyReader): Reading {
  const requests: ReadRequest[] = []
  let at = 0
  while (at < text.length) {
    const head = reader.head(text, at)
    if (head === null) {
      requests.push(BEGUN)
      break
    }
    const [first = '', ...lines] = head.lines
    const [method = '', target = ''] = first.split(' ')
    const fields = lines.map(normalField)
    const length = reader.framing(fields)
    const body =
      length === -1 ? sloppyChunks(text, head.end, reader) : counted(text, head.end, length)
    const { trailers, complete } = body
    requests.push({ method, target, fields, body: body.body, trailers, complete })
    if (!body.complete) break
    at = body.end
  }
  return { requests, broken: null }
}

function normalField(line: string): string {
  const colon = line.indexOf(':')
  return `${line.slice(0, colon).trim().toLowerCase()}: ${line.slice(colon + 1).trim()}`
}

function sloppyChunks(text: string, start: number, reader: SloppyReader): ReadBody {
  let body = ''
  let at = start
  for (;;) {
    const line = reader.line(text, at)
    if (line === null) return { body, trailers: [], complete: false, end: text.length }
    const size = reader.chunkSize(line.text)
    at = line.end
    if (!(size > 0)) break
    body += text.slice(at, at + size)
    const end = reader.line(text, at + size)
    if (end === null) return { body, trailers: [], complete: false, end: text.length }
    at = end.end
  }
  const trailers: string[] = []
  for (;;) {
    const line = reader.line(text, at)
    if (line === null) return { body, trailers, complete: false, end: text.length }
    at = line.end
    if (line.text === '') return { body, trailers, complete: true, end: at }
    trailers.push(normalField(line.text))
  }
}

const SLOPPY: readonly (readonly [string, SloppyReader])[] = [
  ['Content-Length first', BY_LENGTH],
  ['Transfer-Encoding first', BY_CODING],
  ['any line end', BY_LINES],
]

/**
 * Reads the bytes of one connection in four ways. Returns what the strict reader made of them, and
 * in `broken` the first thing that any reader sees otherwise: bytes that two backends could take
 * for different requests.
 */
export function readAllWays(text: string): Reading {
  const strict = readStrictly(text)
  if (strict.broken !== null) return strict
  const expected = strict.requests.map(described)
  for (const [name, reader] of SLOPPY) {
    const seen = readSloppily(text, reader).requests.map(described)
    const at = expected.findIndex((request, i) => request !== seen[i])
    if (at !== -1 || seen.length !== expected.length) {
      const broken = `${name}: ${quoted(seen[Math.max(at, 0)] ?? 'nothing')} instead of ${quoted(expected[Math.max(at, 0)] ?? 'nothing')}`
      return { requests: strict.requests, broken }
    }
  }
  return strict
}

function described(request: ReadRequest): string {
  const { method, target, fields, body, trailers, complete } = request
  const end = complete ? '' : ' (cut)'
  return `${method} ${target}\n${fields.join('\n')}\n\n${body}\n\n${trailers.join('\n')}${end}`
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300))
}

/** The value of a request's first field of this name, or null. */
export function fieldOf(request: ReadRequest, name: string): string | null {
  const prefix = `${name}: `
  const field = request.fields.find((line) => line.startsWith(prefix))
  return field === undefined ? null : field.slice(prefix.length)
}
