import { join } from 'node:path'
import { freePort, type ProxyKind, startPinned } from './proxy.ts'

export const fastifyHttpProxy: ProxyKind = {
  name: '@fastify/http-proxy',
  missing: ({ tls }) => (tls ? 'measured on plain HTTP/1.1 only' : null),
  async start({ backendPort, core }) {
    const port = await freePort()
    const script = join(import.meta.dirname, 'http-proxy-server.ts')
    return startPinned(core, process.execPath, [script, String(port), String(backendPort)], port)
  },
}
