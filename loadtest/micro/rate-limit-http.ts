import { Agent, request } from 'node:http'
import { startGateway } from '../../test/support/gateway.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { waitFor } from '../../test/support/wait.ts'
import { gateway, service, virtualService } from '../../test/support/yaml.ts'
import { DESCRIPTORS } from './rate-limit-latency.ts'
import { percentile } from './figures.ts'

const PER_ROUND = 200

/** The same through a gateway: one connection, one request at a time, one limit for each host. */
export async function measureThroughGateway(url: string, rounds: number): Promise<string[][]> {
  await using upstream = await startUpstream('app')
  const yaml =
    service('app', upstream.port) +
    gateway('gw', DESCRIPTORS.map(hostOf)) +
    DESCRIPTORS.map(limited).join('')
  await using gw = await startGateway(yaml, { redisUrl: url })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (descriptors: number): Promise<number> =>
    timed(agent, gw.port(80), hostOf(descriptors))
  try {
    await waitFor('Redis', () => gw.gateway.rateLimits.activity.store.available)
    for (const descriptors of DESCRIPTORS) {
      for (let i = 0; i < PER_ROUND; i++) await ask(descriptors)
    }
    const medians = DESCRIPTORS.map((): number[] => [])
    const p99s = DESCRIPTORS.map((): number[] => [])
    for (let round = 0; round < rounds; round++) {
      for (const [index, descriptors] of DESCRIPTORS.entries()) {
        const times: number[] = []
        for (let i = 0; i < PER_ROUND; i++) times.push(await ask(descriptors))
        medians[index]!.push(percentile(times, 0.5))
        p99s[index]!.push(percentile(times, 0.99))
      }
    }
    const base = percentile(medians[0]!, 0.5)
    return DESCRIPTORS.map((descriptors, index) => {
      const median = percentile(medians[index]!, 0.5)
      const p99 = percentile(p99s[index]!, 0.5)
      return [
        'an HTTP request, Redis beside',
        '1',
        String(descriptors),
        median.toFixed(0),
        p99.toFixed(0),
        (median / base).toFixed(2),
      ]
    })
  } finally {
    agent.destroy()
  }
}

function hostOf(descriptors: number): string {
  return `limits-${descriptors}.test`
}

/** A route with so many rules of one limit each, none of which is reached. */
function limited(descriptors: number): string {
  const rules = Array.from({ length: descriptors }, (_, index) => {
    return `{ name: r${index}, limits: [{ requests: 1000000, per: ${index + 1}h }] }`
  })
  const name = `limits-${descriptors}`
  return `${virtualService(name, [hostOf(descriptors)], ['gw'], '  - route: [{ destination: { host: app } }]')}apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: ${name} }
spec: { targetRef: { kind: VirtualService, name: ${name} }, timeout: 5s, onFailure: deny, response: { headers: none }, rules: [${rules.join(', ')}] }
---
`
}

/** Microseconds from the request to the end of its answer. */
function timed(agent: Agent, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const sent = request({ agent, port, host: '127.0.0.1', headers: { host } }, (response) => {
      response.resume()
      response.once('end', () => {
        if (response.statusCode === 200) resolve((performance.now() - began) * 1000)
        else reject(new Error(`a request got ${response.statusCode}`))
      })
    })
    sent.once('error', reject)
    sent.end()
  })
}
