import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Candidate, compareTransfers, CORE } from './byte-transfers.ts'
import { freePort, startPinned } from './proxies/proxy.ts'

/**
 * Throughput and CPU time per gigabyte of CONNECT through the egress port: many tunnels of 64 kB and
 * one of a gigabyte, against HAProxy in TCP mode, which is told nothing and decides nothing, in the
 * same run, by turns. The proxy has a core of its own; backend and clients share this process.
 *
 *   node loadtest/connect-tunnel.ts [--rounds N] [--small N] [--large BYTES]
 */
await compareTransfers({
  name: 'tidegate',
  preamble: 'CONNECT backend:9000 HTTP/1.1\r\nhost: backend:9000\r\n\r\n',
  async start(port, config) {
    writeFileSync(join(config, 'egress.yaml'), configuration(port))
    const own = await freePort()
    const command = join(import.meta.dirname, '..', 'bin', 'tidegate')
    const quiet = ['--admin', 'off', '--status', 'off', '--log-level', 'error']
    const args = ['run', '-c', config, '--egress', `127.0.0.1:${own}`, ...quiet]
    return startPinned(CORE, command, args, own)
  },
} satisfies Candidate)

function configuration(port: number): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    accessLogFile: ""
    outboundTrafficPolicy: { mode: REGISTRY_ONLY }
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
`
}
