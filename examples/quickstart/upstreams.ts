import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A demo upstream: answers one line of text to whatever is asked. */
export interface DemoUpstream {
  readonly port: number
  close(): void
}

/** Starts an upstream on a free loopback port. */
export async function startUpstream(answer: (path: string) => string): Promise<DemoUpstream> {
  const server: Server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain')
    response.end(`${answer(request.url ?? '/')}\n`)
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
