import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Candidate, compareTransfers, CORE } from './byte-transfers.ts'
import { freePort, startPinned } from './proxies/proxy.ts'

/**
 * CPU time of a TCP server per gigabyte: many transfers of 64 kB (a connection each) and one of a
 * gigabyte, against HAProxy in TCP mode in the same run, by turns. The proxy has a core of its own;
 * backend and clients share this process.
 *
 *   node loadtest/tcp-splice.ts [--rounds N] [--small N] [--large BYTES]
 */
await compareTransfers(tidegate())

function tidegate(): Candidate {
  return {
    name: 'tidegate',
    preamble: '',
    async start(port, config) {
      writeFileSync(join(config, 'splice.yaml'), configuration(port))
      const own = await freePort()
      const command = join(import.meta.dirname, '..', 'bin', 'tidegate')
      const listen = `9000=127.0.0.1:${own}`
      const quiet = ['--admin', 'off', '--status', 'off', '--log-level', 'error']
      return startPinned(CORE, command, ['run', '-c', config, '--listen', listen, ...quiet], own)
    },
  }
}

function configuration(port: number): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: 'accessLogFile: ""' }
---
apiVersion: v1
kind: Service
metadata: { name: backend }
spec: { ports: [{ name: tcp, port: 9000 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: backend-1, labels: { kubernetes.io/service-name: backend } }
addressType: IPv4
ports: [{ name: tcp, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1] }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: splice }
spec:
  servers: [{ port: { number: 9000, name: tcp, protocol: TCP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: splice }
spec:
  hosts: ["*"]
  gateways: [splice]
  tcp: [{ route: [{ destination: { host: backend } }] }]
`
}
