import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FIXED_LIMITS } from './fixed-limits.ts'

const SRC = join(import.meta.dirname, '..')
/** The rooms that traffic goes through. */
const ROOMS = [
  'clusters',
  'dns',
  'http',
  'listeners',
  'proxy',
  'routing',
  'telemetry',
  'tls',
  'upstream',
]

/** A bound by its name: of memory, of a queue, of work. */
const BOUND = /^(?:export )?const ((?:MAX|KEPT)_[A-Z0-9_]+|[A-Z0-9_]+_PER_TURN)\b/gm

const GRAMMAR = 'what the protocol or the type can hold'
const CONFIGURED = 'bounds or defaults of a field of the configuration'
const PART = 'part of a limit that is listed'
const CACHE = 'a cache of less than a megabyte, without effect on what is served'
const PATTERN = 'of patterns in the configuration: a finding says so'

/** Bounds that are not limits an operator would look for, each with the reason. */
const NOT_LISTED: Readonly<Record<string, string>> = {
  'clusters/lb/picker.ts MAX_RESELECTIONS': 'effort of one pick, not its outcome',
  'clusters/lb/ring-hash.ts MAX_ENDPOINTS': GRAMMAR,
  'clusters/outlier-detection.ts MAX_EJECTION_TIME_MS': CONFIGURED,
  'clusters/passthrough-cluster.ts MAX_IDLE_TIMEOUT_MS': PART,
  'clusters/warmup.ts MAX_STEP_MS': 'how smooth a warm-up is',
  'dns/answer-cache.ts MAX_NEGATIVE_TTL_SECONDS': PART,
  'dns/answer-cache.ts MAX_TTL_SECONDS': PART,
  'dns/forwarder.ts MAX_ID': GRAMMAR,
  'dns/forwarder.ts MAX_SERVERS': CONFIGURED,
  'dns/message.ts MAX_TCP_BYTES': GRAMMAR,
  'http/authority.ts MAX_PORT': GRAMMAR,
  'http/authority.ts MAX_PORT_DIGITS': GRAMMAR,
  'http/fastify-server.ts MAX_PARAM_LENGTH': 'beyond what the wire lets in',
  'http/direct-write.ts MAX_DIRECT_CHARACTERS': 'which of two ways text is written',
  'http/field-names.ts MAX_CACHED_LENGTH': CACHE,
  'http/field-names.ts MAX_CACHED_NAMES': CACHE,
  'http/field-lines.ts MAX_KNOWN_NAME': CACHE,
  'http/field-lines.ts MAX_KNOWN_NAMES': CACHE,
  'http/field-lines.ts MAX_KNOWN_VALUE': CACHE,
  'http/h2-response-fields.ts MAX_STATUS': GRAMMAR,
  'http/h2-fields.ts MAX_LENGTH_DIGITS': 'content-length-digits, of HTTP/2',
  'http/h2-flood-memory.ts MAX_HALVINGS': PART,
  'http/h2-server.ts MAX_SWEEP_MS': 'how exact timers of HTTP/2 are',
  'http/message-writer.ts MAX_KNOWN_LENGTH': CACHE,
  'http/read-buffers.ts MAX_KEPT_VIEW': CACHE,
  'http/response-head.ts MAX_KEEP_ALIVE_MS': GRAMMAR,
  'http/socket-writer.ts MAX_PAGED_BYTES': 'which of two ways a chunk is written',
  'http/socket-writer.ts MAX_TEXT': 'when text is written in two pieces',
  'http/tick-queue.ts KEPT_PLACES': CACHE,
  'http/tick-queue.ts MAX_WAIT_MS': 'how many writes a busy loop does together',
  'http/timer-wheel.ts MAX_STEPS': 'effort of one tick',
  'listeners/proxy-protocol-header.ts MAX_V1_BYTES': GRAMMAR,
  'listeners/proxy-protocol.ts MAX_HEADER_BYTES': PART,
  'proxy/grpc-timeout.ts MAX_DIGITS': GRAMMAR,
  'proxy/grpc-timeout.ts MAX_VALUE': GRAMMAR,
  'proxy/retry.ts MAX_BACKOFF_FACTOR': CONFIGURED,
  'routing/deterministic-regex.ts MAX_GROUP_DEPTH': PATTERN,
  'routing/deterministic-regex.ts MAX_POSITIONS': PATTERN,
  'routing/linear-regex.ts MAX_PATTERN_LENGTH': PATTERN,
  'routing/linear-regex.ts MAX_PROGRAM_SIZE': PATTERN,
  'routing/linear-regex.ts MAX_WORK': PATTERN,
  'routing/path-rewrite.ts MAX_REPLACEMENTS': PATTERN,
  'telemetry/egress-ledger-file.ts MAX_LINE_BYTES': 'longer than any line can be',
  'telemetry/egress-line.ts MAX_HOST': 'part of a line is cut',
  'telemetry/egress-line.ts MAX_METHOD': 'part of a line is cut',
  'telemetry/egress-line.ts MAX_NAME': 'part of a line is cut',
  'upstream/canonical-address.ts MAX_IPV4': GRAMMAR,
  'upstream/resolver.ts MAX_TTL_MS': PART,
}

/** `room/file.ts NAME` of every bound in the source. */
function bounds(): string[] {
  return ROOMS.flatMap((room) =>
    readdirSync(join(SRC, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .flatMap((name) => {
        const text = readFileSync(join(SRC, room, name), 'utf8')
        return [...text.matchAll(BOUND)].map(([, bound]) => `${room}/${name} ${bound}`)
      }),
  )
}

/** `room/file.ts NAME` of what the list is made of. */
function listed(): Set<string> {
  const text = readFileSync(join(import.meta.dirname, 'fixed-limits.ts'), 'utf8')
  const names = [...text.matchAll(/import \{([^}]+)\} from '\.\.\/([^']+)'/g)].flatMap(
    ([, imported = '', file]) =>
      imported.split(',').map((name) => `${file} ${name.trim().split(' ')[0]}`),
  )
  return new Set(names)
}

test('every named bound is listed, or there is a reason', () => {
  const known = listed()
  const missing = bounds().filter((bound) => !known.has(bound) && !(bound in NOT_LISTED))
  // Add it to FIXED_LIMITS (and run npm run docs), or say above why nobody needs to know it.
  expect(missing).toEqual([])
})

test('no reason is left over', () => {
  const known = listed()
  const all = new Set(bounds())
  expect(Object.keys(NOT_LISTED).filter((bound) => !all.has(bound) || known.has(bound))).toEqual([])
})

test('names are unique', () => {
  const names = FIXED_LIMITS.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})
