import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { fuzz, type FuzzReport } from '../test/wire/fuzz.ts'

/**
 * Compares our HTTP/1.1 parser with llhttp over mutated inputs, and with itself on connections that
 * brought a valid request again and again before:
 * `node loadtest/fuzz-wire.ts [--count 1000000] [--seed N]`. Ends with 1 on a difference that no
 * class covers, a broken invariant, a crash or a hang; the seed repeats it.
 */
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
  },
})
const count = Number(values.count)
const seed = Number(values.seed)
const PROGRESS_EVERY = 50_000
/** Longest silence between two batches: a parser that spins never gives the loop back. */
const HANG_MS = 30_000

console.log(`${count} inputs, seed ${seed}`)
const beat = watchForHangs()
const started = performance.now()
const report = await fuzz({ count, seed, onBatch: progress })
await beat.stop()
summarize(report)
process.exitCode = report.failures.length > 0 || report.exchangesLeft > 0 ? 1 : 0

function progress(done: number, { failures }: FuzzReport): void {
  beat.tick()
  if (done % PROGRESS_EVERY !== 0) return
  const seconds = (performance.now() - started) / 1000
  const heapMiB = Math.round(process.memoryUsage().heapUsed / 2 ** 20)
  console.log(
    `${done} after ${seconds.toFixed(0)} s, ${failures.length} failures, heap ${heapMiB} MiB`,
  )
}

function summarize(outcome: FuzzReport): void {
  const { inputs, behindOthers, agreed, byClass, failures, exchangesLeft } = outcome
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const differing = [...byClass.values()].reduce((sum, each) => sum + each, 0)
  console.log(
    `${inputs} inputs in ${seconds} s, ${behindOthers} of them behind repeated requests too`,
  )
  console.log(`${agreed} requests read alike; ${differing} inputs differ in a listed class:`)
  for (const [name, times] of [...byClass].toSorted((a, b) => b[1] - a[1])) {
    console.log(`  ${String(times).padStart(8)} ${name}`)
  }
  if (exchangesLeft > 0) console.log(`${exchangesLeft} exchanges never ended`)
  console.log(`${failures.length} unexplained${failures.length > 0 ? `, seed ${seed}:` : ''}`)
  for (const failure of failures) console.log(`  ${failure}`)
}

/** A second thread that ends the process when the first no longer beats. */
function watchForHangs(): { tick(): void; stop(): Promise<number> } {
  const beats = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads')
    let last = -1
    setInterval(() => {
      const now = Atomics.load(workerData.beats, 0)
      if (now === last) {
        require('node:fs').writeSync(2, 'no batch ended in time: a hang, seed ' + workerData.seed + '\\n')
        process.kill(process.pid, 'SIGKILL')
      }
      last = now
    }, workerData.hangMs)`,
    { eval: true, workerData: { beats, seed, hangMs: HANG_MS } },
  )
  return {
    tick: () => void Atomics.add(beats, 0, 1),
    stop: () => worker.terminate(),
  }
}
