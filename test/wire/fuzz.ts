import { ParserPair } from '../support/parser-pair.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { WireMutator } from '../support/wire-mutator.ts'
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

/**
 * Gives mutated corpus cases to our parser and to llhttp. Every difference must belong to a listed
 * class, what we accept must reach a backend as the one request that it is, and nothing may hang.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const mutator = new WireMutator(mutable(), seededRandom(options.seed))
  const pair = new ParserPair()
  const report = new FuzzReport()
  while (report.inputs < options.count && report.failures.length < MAX_FAILURES) {
    const size = Math.min(BATCH, options.count - report.inputs)
    const inputs = Array.from({ length: size }, () => mutator.next())
    await judge(pair, inputs, (bytes) => mutator.cut(bytes), report)
    options.onBatch?.(report.inputs, report)
  }
  report.exchangesLeft = pair.activeExchanges
  pair.close()
  return report
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
    corpus.map(({ bytes }) => bytes),
    (bytes) => [bytes],
    report,
  )
  report.exchangesLeft = pair.activeExchanges
  pair.close()
  return report
}

async function judge(
  pair: ParserPair,
  inputs: readonly string[],
  cut: (bytes: string) => readonly string[],
  report: FuzzReport,
): Promise<void> {
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
