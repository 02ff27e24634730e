import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRateLimit } from '../../plugins/rate-limit/index.ts'
import { CallProblem } from '../../src/explain/call.ts'
import type { Trace } from '../../src/explain/decided.ts'
import { explainLimits } from '../../src/explain/limit-explainer.ts'
import { callOf, explainerOf } from '../support/explain.ts'
import { RecordedExchange } from '../support/filter-exchange.ts'
import { limitedByAll } from '../support/seen-limits.ts'

const user = fc.constantFrom('', 'ann', 'bob')
const key = fc.constantFrom('', 'k1', 'k2')
const plan = fc.constantFrom('', 'gold', 'silver')
const from = fc.constantFrom('192.0.2.1', '192.0.2.2')
const request = fc.record({ user, key, plan, from })

test('what explain says of a request is what the request gets', async () => {
  let denied = 0
  const yaml = Object.values(limitedByAll(9)).join('')
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 30 }), async (requests) => {
      // No window ends, and no bucket fills, while the clock stands still.
      const rateLimit = createRateLimit({ redisUrl: null, log: () => {}, now: () => 1e12 })
      const explainer = explainerOf(yaml, { filterFactories: rateLimit.factories })
      for (const { from: client, ...values } of requests) {
        const written = { 'x-user': values.user, 'x-key': values.key, 'x-plan': values.plan }
        const headers = Object.fromEntries(Object.entries(written).filter(([, value]) => value))
        const trace = explainer.trace(callOf('http://app.test/', { headers, from: client }))
        if (trace instanceof CallProblem) throw new Error(trace.message)
        const said = await explainLimits(trace, { set: null, look: true })
        if (said.decision === 'deny') denied++
        expect(said.decision === 'deny' ? said.status : 200).toBe(await run(trace, headers))
      }
      await rateLimit.close()
    }),
    { numRuns: 30 },
  )
  expect(denied).toBeGreaterThan(0)
})

/** The request at all filters of its route, as the proxy runs them. */
async function run({ decided }: Trace, headers: Readonly<Record<string, string>>): Promise<number> {
  const fields = Object.entries(headers).flat()
  const clientAddress = decided?.accepted.clientAddress ?? ''
  for (const filter of decided?.route.filters ?? []) {
    const { status } = await new RecordedExchange({ headers: fields, clientAddress }).run(filter)
    if (status !== 200) return status
  }
  return 200
}
