import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fastifyHttpProxy } from './http-proxy.ts'
import { freePort, type ProxyKind, startPinned } from './proxy.ts'
import { backendOf, QUIET_MESH } from './tidegate.ts'

/** One limit for each client address that nobody reaches, told in every answer. */
const POLICY = `---
apiVersion: tidegate.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: bench }
spec:
  targetRef: { kind: VirtualService, name: bench }
  timeout: 1s
  onFailure: deny
  rules:
  - name: client
    match: { source: { distinct: true } }
    limits: [{ requests: 1000000000, per: 1h, algorithm: fixedWindow }]
`

const GATEWAY = `${QUIET_MESH}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench }
spec:
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["bench.test"]
---
`

/** The same route with and without a limit in Redis, and what Fastify's own plugins make of it. */
export function rateLimitedKinds(redisUrl: string): readonly ProxyKind[] {
  return [
    tidegate('tidegate, no limit', '', []),
    tidegate('tidegate, one limit in Redis', POLICY, ['--redis', redisUrl]),
    fastifyHttpProxy,
    {
      name: '@fastify/http-proxy + @fastify/rate-limit',
      missing: () => null,
      async start({ backendPort, core }) {
        const port = await freePort()
        const script = join(import.meta.dirname, 'http-proxy-limited-server.ts')
        const args = [script, String(port), String(backendPort), redisUrl]
        return startPinned(core, process.execPath, args, port)
      },
    },
  ]
}

function tidegate(name: string, policy: string, more: readonly string[]): ProxyKind {
  return {
    name,
    missing: () => null,
    async start({ backendPort, folder, core }) {
      const port = await freePort()
      const config = join(folder, policy === '' ? 'plain' : 'limited')
      mkdirSync(config, { recursive: true })
      writeFileSync(join(config, 'bench.yaml'), GATEWAY + backendOf(backendPort) + policy)
      const command = join(import.meta.dirname, '..', '..', 'bin', 'tidegate')
      const args = ['run', '-c', config, '--listen', `80=127.0.0.1:${port}`, '--admin', 'off']
      args.push('--status', 'off', '--log-level', 'error', ...more)
      return startPinned(core, command, args, port)
    },
  }
}
