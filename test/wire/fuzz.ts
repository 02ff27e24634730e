import { ParserPair } from '../support/parser-pair.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { type WireInput, WireMutator } from '../support/wire-mutator.ts'
import { corpus } from './corpus/all.ts'
import { firstDifference } from './differential.ts'
import { explain } from './differences.ts'

export interface FuzzOptions {
  readonly count: number
  readonly seed: number
  /** Called after each batch with the number of inputs so far. */
  onBatch?(done: number, report: FuzzReport): void
}

/** What came of a number of mutated inputs. */
export class FuzzReport {
  inputs = 0
  /** Those of them that came behind repetitions of a valid request too. */
  behindOthers = 0
  /** Requests that both parsers read, and read alike. */
  agreed = 0
  /** Inputs by the class that covers their first difference. */
  readonly byClass = new Map<string, number>()
  /** Inputs whose difference nothing covers, or that broke an invariant, as JSON. */
  readonly failures: string[] = []
  exchangesLeft = 0
}

const BATCH = 200
/** Inputs that are longer cost time without showing more. */
const MAX_CORPUS_BYTES = 4_096
const MAX_FAILURES = 20
const GOOD_WEIGHT = 4
/** Every so many inputs come behind repetitions of the request that they were made of. */
const BEHIND_OTHERS_EVERY = 3

/**
 * Gives mutated corpus cases to our parser and to llhttp. Every difference must belong to a listed
 * class, what we accept must reach a backend as the one request that it is, and nothing may hang.
 * Some come behind repetitions of a valid request too, whose head is kept and compared with theirs:
 * that must change nothing.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const mutator = new WireMutator(mutable(), seededRandom(options.seed))
  const pair = new ParserPair()
  const report = new FuzzReport()
  const requests = await repeatable(pair)
  const input = (_: unknown, i: number): WireInput =>
    i % BEHIND_OTHERS_EVERY === 0 ? mutator.nextBehind(requests) : mutator.next()
  while (report.inputs < options.count && report.failures.length < MAX_FAILURES) {
    const size = Math.min(BATCH, options.count - report.inputs)
    const inputs = Array.from({ length: size }, input)
    await judge(pair, inputs, (bytes) => mutator.cut(bytes), report)
    options.onBatch?.(report.inputs, report)
  }
  report.exchangesLeft = pair.activeExchanges
  pair.close()
  return report
}

/** Single requests that a connection may bring again and again. */
async function repeatable(pair: ParserPair): Promise<string[]> {
  const requests = corpus
    .filter(({ bytes, expected }) => bytes.length <= MAX_CORPUS_BYTES && expected.forwarded === 1)
    .map(({ bytes }) => bytes)
  const twice = requests.map((bytes) => ({ bytes: bytes + bytes, before: null }))
  const parsed = await pair.parse(twice, (bytes) => [bytes])
  return requests.filter((_, i) => {
    const { ours, refusal } = parsed[i]!
    return refusal === null && ours.length === 2 && ours.every(({ complete }) => complete)
  })
}

/** Good requests count several times: a small change to one is what a parser may get wrong. */
function mutable(): string[] {
  return corpus
    .filter(({ bytes }) => bytes.length <= MAX_CORPUS_BYTES)
    .flatMap(({ bytes, expected }) =>
      Array<string>(expected.forwarded > 0 ? GOOD_WEIGHT : 1).fill(bytes),
    )
}

/** The corpus as it is: what was listed as a class must be of use, and nothing else may differ. */
export async function compareCorpus(): Promise<FuzzReport> {
  const pair = new ParserPair()
  const report = new FuzzReport()
  await judge(
    pair,
    corpus.map(({ bytes }) => ({ bytes, before: null })),
    (bytes) => [bytes],
    report,
  )
  report.exchangesLeft = pair.activeExchanges
  pair.close()
  return report
}

async function judge(
  pair: ParserPair,
  inputs: readonly WireInput[],
  cut: (bytes: string) => readonly string[],
  report: FuzzReport,
): Promise<void> {
  report.behindOthers += inputs.filter(({ before }) => before !== null).length
  for (const parsed of await pair.parse(inputs, cut)) {
    report.inputs++
    for (const broken of parsed.broken) {
      report.failures.push(`${broken}: ${JSON.stringify(parsed.bytes)}`)
    }
    const difference = firstDifference(parsed)
    if (difference === null) {
      report.agreed += parsed.ours.filter(({ complete }) => complete).length
      continue
    }
    const known = explain(difference)
    if (known !== null) report.byClass.set(known.name, (report.byClass.get(known.name) ?? 0) + 1)
    else {
      const { kind, detail } = difference
      const codes = `${parsed.refusal} / ${parsed.nodeError}`
      report.failures.push(`${kind} ${codes} ${detail}: ${JSON.stringify(parsed.bytes)}`)
    }
  }
}
