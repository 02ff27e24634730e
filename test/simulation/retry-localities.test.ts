import { expect, test } from 'vitest'
import type { MeshConfigSpec } from '../../src/config/mesh-config.ts'
import { Simulation } from '../support/simulate.ts'

function remoteRetries(rule: string, meshConfig: MeshConfigSpec | null): boolean {
  const run = new Simulation(
    `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: app }
spec: { hosts: [app.test], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, endpoints: [{ address: 10.0.0.1 }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app }
spec: { hosts: [app.test], gateways: [gw], http: [{ ${rule} route: [{ destination: { host: app.test } }] }] }
`,
    { meshConfig },
  )
  expect(run.storeProblems.map(({ code }) => code)).toEqual(['gateway-selects-all'])
  const accept = run.listener(80)?.accept
  const action =
    accept?.type === 'http' ? accept.http.hosts.lookup('app.test')?.routes[0]?.action : undefined
  if (action?.type !== 'forward') throw new Error('no forward action')
  return action.preferences?.remoteRetries ?? false
}

const BY_MESH: MeshConfigSpec = {
  defaultHttpRetryPolicy: { attempts: 1, retryRemoteLocalities: true },
}

test.each<[string, string, MeshConfigSpec | null, boolean]>([
  ['nobody says so', '', null, false],
  ['the rule says so', 'retries: { attempts: 1, retryRemoteLocalities: true },', null, true],
  ['the rule says no', 'retries: { attempts: 1, retryRemoteLocalities: false },', null, false],
  ['MeshConfig says so', '', BY_MESH, true],
  ['the rule replaces MeshConfig whole', 'retries: { attempts: 1 },', BY_MESH, false],
  ['there are no retries', 'retries: { attempts: 0 },', BY_MESH, false],
])('retries leave localities that failed: %s', (_name, rule, mesh, expected) => {
  expect(remoteRetries(rule, mesh)).toBe(expected)
})
