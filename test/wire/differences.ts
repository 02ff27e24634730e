import { METHODS } from 'node:http'
import { isIPv6 } from 'node:net'
import type { NodeRequest } from '../support/parser-pair.ts'
import type { Difference } from './differential.ts'

/** One way in which our parser and llhttp are meant to differ. */
export interface DifferenceClass {
  readonly name: string
  readonly reason: string
  /** Judges by the bytes and by what the other parser saw, not by our word alone. */
  covers(difference: Difference): boolean
}

/** We refuse, or stop before, what llhttp hands on. */
export const STRICTER: readonly DifferenceClass[] = [
  refusing(
    'Host',
    'Node takes any Host, and the first of several; a router and a backend may take another.',
    ['bad-host', 'missing-host'],
    (node) => {
      const hosts = valuesOf(node, 'host')
      return hosts.length !== 1 || !isPlainHost(hosts[0]!)
    },
  ),
  refusing(
    'request target',
    'llhttp hands on fragments, escaped NULs, dot segments with parameters and forms that do not fit the method.',
    ['bad-target'],
    ({ method, target }) =>
      method === 'CONNECT' ||
      !target.startsWith('/') ||
      /#|%00|[/\\](?:\.|%2e){1,2};/i.test(target),
  ),
  refusing(
    'underscore in a name',
    'A backend that maps - to _ cannot tell the twins apart.',
    ['underscore-in-field-name'],
    (node) => namesOf(node).some((name) => name.includes('_')) || node.rawTrailers.length > 0,
  ),
  refusing(
    'Connection',
    'A nomination that is no token, or more than 64 of them, is an attack on the stripping.',
    ['bad-connection'],
    (node) => {
      const items = valuesOf(node, 'connection').join(',').split(',')
      return items.length > 64 || items.some((item) => !TOKEN.test(item.trim()))
    },
  ),
  refusing(
    'Expect',
    'Node looks for 100-continue anywhere in the value.',
    ['unknown-expectation'],
    (node) => valuesOf(node, 'expect').join(',').toLowerCase() !== '100-continue',
  ),
  refusing(
    'old and future versions',
    'HTTP/0.9 has no fields, HTTP/1.0 no dependable framing, HTTP/2 is not this protocol.',
    ['bad-start-line', 'unknown-version', 'http-1.0', 'control-character', 'bad-line-end'],
    ({ version }) => version !== '1.1',
  ),
  refusing(
    'spaces in the start line',
    'llhttp takes any number of them; one belongs there (RFC 9112 3).',
    ['bad-start-line'],
    (_node, { pair }) => /^\S+ {2,}\S|\S {2,}HTTP\//m.test(pair.bytes),
  ),
  refusing(
    'empty lines before a request',
    'llhttp skips any number of CR and LF; one CRLF is what old clients leave behind.',
    ['bad-start-line', 'bad-line-end', 'control-character'],
    (_node, { pair }) => EMPTY_LINES.test(pair.bytes),
  ),
  refusing(
    'Transfer-Encoding',
    'llhttp is content when chunked comes last; a list, or a second line, may be read otherwise.',
    ['unknown-transfer-coding', 'bad-transfer-encoding'],
    (node) => {
      const codings = valuesOf(node, 'transfer-encoding')
      return (
        codings.length !== 1 || codings[0]!.toLowerCase() !== 'chunked' || node.version === '1.0'
      )
    },
  ),
  refusing(
    'a body on CONNECT',
    'It has no meaning (RFC 9110 9.3.6), and would be the first bytes of the tunnel.',
    ['unexpected-body'],
    ({ method }) => method === 'CONNECT',
  ),
  refusing(
    'long chunk sizes',
    'More than 8 digits is no honest chunk, leading zeros or not.',
    ['bad-chunk'],
    (_node, { pair }) => /[0-9a-f]{9}/i.test(pair.bytes),
  ),
  refusing(
    'number of fields',
    'Beyond 100 field lines, or trailers, is 431.',
    ['too-many-fields'],
    (node) => node.rawHeaders.length > 200 || node.rawTrailers.length > 200,
  ),
  refusing(
    'repeated singletons',
    'Two Authorizations or Content-Types: Node keeps the first, others the last.',
    ['repeated-field'],
    (node) =>
      valuesOf(node, 'authorization').length > 1 || valuesOf(node, 'content-type').length > 1,
  ),
]

/** We accept what RFC 9110 and 9112 allow and llhttp does not know or wants in fewer spellings. */
export const BROADER: readonly DifferenceClass[] = [
  accepting(
    'methods',
    'Any token is a method (RFC 9110 9.1); llhttp has a list.',
    ['HPE_INVALID_METHOD'],
    ({ ours }) => !METHODS.includes(ours!.method),
  ),
  accepting(
    'bytes above 0x7f in a target',
    'Passed on as percent-triplets, never as they came.',
    ['HPE_INVALID_URL'],
    ({ pair }) => /^\S+ \S*[\x80-\xff]/m.test(pair.bytes),
  ),
  accepting(
    'later minor versions',
    'HTTP/1.2 is to be read as HTTP/1.1 (RFC 9110 2.5), and is sent on as that.',
    ['HPE_INVALID_VERSION'],
    ({ pair }) => /HTTP\/1\.[2-9]/.test(pair.bytes),
  ),
  accepting(
    'chunk extensions',
    'Dropped without being understood, so only their line end matters, which must be CRLF.',
    ['HPE_STRICT', 'HPE_INVALID_CHUNK_SIZE'],
    ({ pair }) => /\n[0-9a-f]+;/i.test(pair.bytes),
  ),
  accepting(
    'white space behind chunked',
    'A tab is as good as a space (RFC 9110 5.6.3).',
    ['HPE_INVALID_TRANSFER_ENCODING'],
    ({ pair }) => TAB_BEHIND_CHUNKED.test(pair.bytes),
  ),
  accepting(
    'framing and hop-by-hop fields as trailers',
    'Left out: they cannot frame, or end, what is over (RFC 9110 6.5.1).',
    [
      'HPE_INVALID_TRANSFER_ENCODING',
      'HPE_INVALID_CONTENT_LENGTH',
      'HPE_UNEXPECTED_CONTENT_LENGTH',
      'HPE_CLOSED_CONNECTION',
    ],
    ({ pair }) =>
      /\n0+(?:;[^\r\n]*)?\r\n(?:.+\r\n)*(?:transfer-encoding|content-length|connection) *:/i.test(
        pair.bytes,
      ),
  ),
]

/** The end of a connection is the client's to announce and ours to keep; Node may read on. */
export const BEHIND_CLOSE: DifferenceClass = {
  name: 'behind Connection: close',
  reason: 'What follows it is no request any more (RFC 9112 9.6).',
  covers({ kind, pair, index }) {
    const before = pair.node[index - 1]
    if (kind !== 'refuses' || pair.refusal !== null || before === undefined) return false
    return /(?:^|,)\s*close\s*(?:,|$)/i.test(valuesOf(before, 'connection').join(','))
  },
}

/**
 * Node stops reading behind any Upgrade, or does not, as its turns fall. We drop an Upgrade that is
 * none (h2c, a list) and read on (RFC 9110 7.8), and end the connection behind a good one.
 */
export const BEHIND_UPGRADE: DifferenceClass = {
  name: 'behind an Upgrade',
  reason: 'Node stops there or reads on; we go by whether the Upgrade was well-formed.',
  covers({ kind, pair, index }) {
    const codes = [pair.refusal, pair.nodeError]
    if (kind === 'reads' || (kind === 'refuses' ? codes[0] : codes[1]) !== null) return false
    return pair.node.slice(0, index + 1).some((node) => valuesOf(node, 'upgrade').length > 0)
  },
}

/**
 * Of a Transfer-Encoding that it does not know (see `white space behind chunked`) llhttp makes an
 * error, but with an Upgrade it is content to read no body. We read the body, or refuse it, and send
 * it on without the Upgrade and with a framing of our own.
 */
export const UPGRADE_WITH_BODY: DifferenceClass = {
  name: 'white space behind chunked, with an Upgrade',
  reason: 'A tab is as good as a space (RFC 9110 5.6.3), so there is a body.',
  covers({ kind, pair, node }) {
    const judged = kind === 'reads' || (kind === 'refuses' && pair.refusal !== null)
    if (!judged || node === null || node.body !== '') return false
    return valuesOf(node, 'upgrade').length > 0 && TAB_BEHIND_CHUNKED.test(pair.bytes)
  },
}

export const DIFFERENCES: readonly DifferenceClass[] = [
  ...STRICTER,
  ...BROADER,
  BEHIND_UPGRADE,
  BEHIND_CLOSE,
  UPGRADE_WITH_BODY,
]

/** The class that covers a difference, or null: then one of the parsers is wrong. */
export function explain(difference: Difference): DifferenceClass | null {
  return DIFFERENCES.find((known) => known.covers(difference)) ?? null
}

function refusing(
  name: string,
  reason: string,
  refusals: readonly string[],
  shows: (node: NodeRequest, difference: Difference) => boolean,
): DifferenceClass {
  return {
    name,
    reason,
    covers(difference) {
      const { kind, node, pair } = difference
      if (kind !== 'refuses' || node === null) return false
      return refusals.includes(pair.refusal ?? '') && shows(node, difference)
    },
  }
}

function accepting(
  name: string,
  reason: string,
  codes: readonly string[],
  shows: (difference: Difference) => boolean,
): DifferenceClass {
  return {
    name,
    reason,
    covers(difference) {
      const { kind, pair } = difference
      return kind === 'accepts' && codes.includes(pair.nodeError ?? '') && shows(difference)
    },
  }
}

/** Line ends where none belongs: before the first request, or between two. */
const EMPTY_LINES = new RegExp(`(?:^|\\r\\n\\r\\n|[^\\r\\n])[\\r\\n]+(?:${METHODS.join('|')}) `)
const TAB_BEHIND_CHUNKED = /transfer-encoding:[ \t]*chunked[ \t]*\t[ \t]*\r\n/i
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*$/
const LABELS = /^[\w~-]+(?:\.[\w~-]+)*\.?(?::(\d{1,5}))?$/
const BRACKETS = /^\[([^\]%]+)\](?::(\d{1,5}))?$/
const MAX_HOST = 254

function isPlainHost(text: string): boolean {
  const brackets = BRACKETS.exec(text)
  if (brackets !== null) return isIPv6(brackets[1]!) && Number(brackets[2] ?? 0) <= 65_535
  const labels = LABELS.exec(text)
  if (labels === null || Number(labels[1] ?? 0) > 65_535) return false
  return text.length - (labels[1] === undefined ? 0 : labels[1].length + 1) <= MAX_HOST
}

function namesOf(node: NodeRequest): string[] {
  return node.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
}

function valuesOf(node: NodeRequest, name: string): string[] {
  return namesOf(node).flatMap((each, i) => (each === name ? [node.rawHeaders[2 * i + 1]!] : []))
}
