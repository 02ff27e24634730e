import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TlsFiles } from '../scenario.ts'
import { freePort, type ProxyKind, startPinned } from './proxy.ts'

/** Metrics on, access log off, one worker: what the other proxies run with. */
export const tidegate = tidegateOf(join(import.meta.dirname, '..', '..', 'bin', 'tidegate'))

/** The gateway of some checkout, by its command. */
export function tidegateOf(command: string): ProxyKind {
  return {
    name: 'tidegate',
    missing: () => null,
    async start({ backendPort, folder, core, scenario, tls }) {
      const port = await freePort()
      const config = join(folder, 'tidegate')
      mkdirSync(config, { recursive: true })
      writeFileSync(
        join(config, 'bench.yaml'),
        scenario.tls
          ? secureConfiguration(tls) + backendOf(backendPort)
          : plainConfiguration() + backendOf(backendPort),
      )
      const args = [
        'run',
        '-c',
        config,
        '--listen',
        `${scenario.tls ? 443 : 80}=127.0.0.1:${port}`,
        '--admin',
        'off',
        '--status',
        'off',
        '--log-level',
        'error',
      ]
      return startPinned(core, command, args, port)
    },
  }
}

/** No access log: what the other proxies run with. */
export const QUIET_MESH = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    accessLogFile: ""
---
`

function plainConfiguration(): string {
  return `${QUIET_MESH}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench }
spec:
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["bench.test"]
---
`
}

/** `*`: load generators send no SNI for an address. */
function secureConfiguration(tls: TlsFiles): string {
  return `${QUIET_MESH}apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench }
spec:
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: ["*"]
    tls: { mode: SIMPLE, serverCertificate: ${tls.certificate}, privateKey: ${tls.key} }
---
`
}

/** The route of `bench.test` on Gateway `bench` to the one backend. */
export function backendOf(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: bench }
spec:
  hosts: ["bench.test"]
  gateways: [bench]
  http:
  - route:
    - destination: { host: backend }
---
apiVersion: v1
kind: Service
metadata: { name: backend }
spec:
  ports: [{ name: http, port: 80 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: backend-1, labels: { kubernetes.io/service-name: backend } }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1] }]
`
}
