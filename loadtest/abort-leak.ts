import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { AbortBench } from '../test/support/abort-bench.ts'
import { ABORTS, abortMany } from '../test/support/abort-storm.ts'
import { isClean } from '../test/support/leftovers.ts'
import { waitFor } from '../test/support/wait.ts'

/**
 * Clients that leave in every phase of an exchange: `node loadtest/abort-leak.ts [--count 100000]`.
 * Ends with 1 when a socket, a timer or an exchange is left, or when memory grew.
 */
const { values } = parseArgs({ options: { count: { type: 'string', default: '100000' } } })
const count = Number(values.count)
const STEPS = 10
/** Pools, tables and compiled code settle within the first steps. */
const SETTLED = 3
const MAX_HEAP_GROWTH = 0.05

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

await using bench = await AbortBench.start()
const before = bench.leftovers(0)
const heaps: number[] = []
const started = performance.now()
console.log(`${count} clients that leave, in ${ABORTS.length} ways`)
for (let step = 1; step <= STEPS; step++) {
  await abortMany(Math.round(count / STEPS), bench)
  heaps.push(settledHeap())
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`${step}/${STEPS} after ${seconds} s, heap ${mebibytes(heaps.at(-1)!)} MiB`)
}
let left = bench.leftovers(1)
const clean = await waitFor('nothing to be left', () => {
  left = bench.leftovers(1)
  return isClean(left, before)
}).catch(() => false)
console.log('left:', JSON.stringify(left))
const growth = heaps.at(-1)! / heaps[SETTLED - 1]! - 1
console.log(`heap growth since step ${SETTLED}: ${(growth * 100).toFixed(1)} %`)
process.exitCode = clean && growth < MAX_HEAP_GROWTH ? 0 : 1

function settledHeap(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
