/** Pieces that mean something to a parser, or nearly do. */
const TOKENS: readonly string[] = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\n\n',
  '\r\n ',
  '\0',
  ' ',
  '\t',
  '\x0b',
  '\x7f',
  '\x85',
  '\xa0',
  '\xff',
  ':',
  ';',
  ',',
  '"',
  '\\',
  '#',
  '%00',
  '%2e%2e',
  '/../',
  '..;',
  '@',
  '_',
  '0',
  '0x',
  '+',
  '-',
  'chunked',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  'Host: locked.test\r\n',
  'Host: shop.test\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Connection: close\r\n',
  'Connection: content-length\r\n',
  'Connection: keep-alive, x\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: websocket\r\n',
  'Authorization: x\r\n',
  'X_A: b\r\n',
  'http://locked.test',
  'HTTP/1.0',
  'HTTP/1.1',
  'HTTP/2.0',
  'GET /admin HTTP/1.1\r\nHost: locked.test\r\n\r\n',
  'POST /a HTTP/1.1\r\n',
]
const MAX_OPERATIONS = 4
const MAX_BYTES = 8_192
/** A head is known to the byte once it came three times; the fourth is taken from memory. */
const MAX_REPETITIONS = 5

/** What a connection brings. */
export interface WireInput {
  /** latin1 */
  readonly bytes: string
  /** A valid request that comes on the same connection before, so often; null: nothing does. */
  readonly before: { readonly request: string; readonly times: number } | null
}

/** Makes new inputs out of a corpus. The same random numbers make the same inputs. */
export class WireMutator {
  readonly #corpus: readonly string[]
  readonly #random: () => number

  constructor(corpus: readonly string[], random: () => number) {
    this.#corpus = corpus
    this.#random = random
  }

  next(): WireInput {
    return { bytes: this.#mutated(this.#pick(this.#corpus)), before: null }
  }

  /** Something that begins much like, or as, one of `requests`, which came just before. */
  nextBehind(requests: readonly string[]): WireInput {
    const request = this.#pick(requests)
    const times = 1 + this.#below(MAX_REPETITIONS)
    const bytes = this.#mutated(this.#below(2) === 0 ? request : request + request)
    return { bytes, before: { request, times } }
  }

  #mutated(original: string): string {
    let bytes = original
    // Few more often than many: most of what is left can still be read.
    const operations = 1 + this.#below(1 + this.#below(MAX_OPERATIONS))
    for (let i = 0; i < operations; i++) bytes = this.#mutate(bytes)
    return bytes.slice(0, MAX_BYTES)
  }

  /** The same bytes in one to four pieces. */
  cut(bytes: string): string[] {
    const places = Array.from({ length: this.#below(4) }, () => this.#below(bytes.length + 1))
    places.sort((a, b) => a - b)
    const pieces: string[] = []
    let from = 0
    for (const at of [...places, bytes.length]) {
      if (at > from) pieces.push(bytes.slice(from, at))
      from = at
    }
    return pieces
  }

  #mutate(bytes: string): string {
    const at = this.#below(bytes.length + 1)
    switch (this.#below(12)) {
      case 0:
        return bytes.slice(0, at) + this.#byte() + bytes.slice(at)
      case 1:
        return bytes.slice(0, at) + bytes.slice(at + 1)
      case 2:
        return bytes.slice(0, at) + this.#byte() + bytes.slice(at + 1)
      case 3:
      case 4:
        return bytes.slice(0, at) + this.#pick(TOKENS) + bytes.slice(at)
      case 5:
        return bytes.slice(0, at) + bytes.slice(at + this.#below(16))
      case 6:
        return this.#changeLines(bytes)
      case 7:
        return this.#insertLine(bytes)
      case 8:
        return this.#replaceLineEnd(bytes)
      case 9:
        return bytes + this.#pick(this.#corpus)
      case 10: {
        const other = this.#pick(this.#corpus)
        return bytes.slice(0, at) + other.slice(this.#below(other.length + 1))
      }
      default: {
        const code = bytes.charCodeAt(at)
        if (Number.isNaN(code)) return bytes
        return (
          bytes.slice(0, at) +
          String.fromCharCode(code ^ (1 << this.#below(8))) +
          bytes.slice(at + 1)
        )
      }
    }
  }

  /** Doubles, drops or swaps a line. */
  #changeLines(bytes: string): string {
    const lines = bytes.split('\r\n')
    const i = this.#below(lines.length)
    const j = this.#below(lines.length)
    const line = lines[i]!
    switch (this.#below(3)) {
      case 0:
        lines.splice(j, 0, line)
        break
      case 1:
        lines.splice(i, 1)
        break
      default:
        lines[i] = lines[j]!
        lines[j] = line
    }
    return lines.join('\r\n')
  }

  #insertLine(bytes: string): string {
    const lines = bytes.split('\r\n')
    lines.splice(1 + this.#below(lines.length), 0, this.#pick(TOKENS).trimEnd())
    return lines.join('\r\n')
  }

  #replaceLineEnd(bytes: string): string {
    const parts = bytes.split('\r\n')
    if (parts.length < 2) return bytes
    const i = 1 + this.#below(parts.length - 1)
    const end = this.#pick(['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', '', '\r\n ', ' \r\n'])
    return parts.slice(0, i).join('\r\n') + end + parts.slice(i).join('\r\n')
  }

  #byte(): string {
    return String.fromCharCode(this.#below(256))
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!
  }
}
