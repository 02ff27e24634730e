import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { startRedis } from '../../test/support/redis.ts'
import { measureAccuracy } from './rate-limit-accuracy.ts'
import { measureLatency } from './rate-limit-latency.ts'
import { measureTrips } from './rate-limit-trips.ts'

/**
 * Rate limits on a redis-server of this machine, without HTTP: what more limits of one request cost,
 * how many checks share a round trip at full load, and whether a limit holds over several replicas.
 *
 *   node loadtest/micro/rate-limit.ts [--rounds N] [--no-file]
 */
const args = process.argv.slice(2)
const at = args.indexOf('--rounds')
const rounds = at < 0 ? 20 : Number(args[at + 1])

await using redis = await startRedis()
const latency = await measureLatency(redis, rounds)
const trips = await measureTrips(redis.url)
const accuracy = await measureAccuracy(redis.url)
const date = new Date().toISOString().slice(0, 10)
const load = loadavg()[0]?.toFixed(1) ?? '?'
const text = `# Rate limits in Redis, ${date}

\`node loadtest/micro/rate-limit.ts\`, Node.js ${process.versions.node}, redis-server on the loopback interface,
${cpus().length} cores of ${cpus()[0]?.model ?? 'unknown processor'}, load average ${load} at the end. Checks without HTTP around them.

## Limits of one request

${latency}

## Checks in a round trip

${trips}

## Over-admission

${accuracy}
`
console.log(text)
if (!args.includes('--no-file')) {
  writeFileSync(join(import.meta.dirname, '..', 'results', `${date}-rate-limit.md`), text)
}
