import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { Authority } from '../../certs/authority.ts'
import { createRepository, gitHttp } from './git-http.ts'
import type { TemporaryFolder } from './folder.ts'

/** What every site answers to a request without a body. */
export const SITE_ANSWER = 'hello from outside'

/** The world outside: a plain site, a secure one that also has a git repository, one of HTTP/2. */
export interface EgressSites extends AsyncDisposable {
  /** File with the certificate (PEM) of who signed the sites' certificates. */
  readonly caFile: string
  /** Declares `web.test:80`, `secure.test:443` and `h2.test:443`; nothing else. */
  readonly declarations: string
}

/** `folder` holds the authority's certificate and the repository `repos/app.git`. */
export async function startEgressSites(folder: TemporaryFolder): Promise<EgressSites> {
  const authority = Authority.create('egress sites')
  const { certificate: cert, key } = authority.issue(['secure.test', 'h2.test'])
  folder.write('work/README', 'a repository\n')
  folder.write('work/large', Buffer.alloc(2_000_000, 'large '))
  await createRepository(folder.join('repos/app.git'), folder.join('work'))
  const repositories = gitHttp(folder.path)
  const plain = createHttpServer(answer)
  const secure = createHttpsServer({ cert, key }, (request, response) => {
    if (request.url?.startsWith('/repos/') === true) repositories(request, response)
    else answer(request, response)
  })
  const h2 = createSecureServer({ cert, key, allowHTTP1: false }, (request, response) => {
    request.resume()
    response.end(SITE_ANSWER)
  })
  const listening = [await listen(plain), await listen(secure), await listen(h2)] as const
  const [plainSite, secureSite, h2Site] = listening
  return {
    caFile: folder.write('ca.pem', authority.certificate),
    declarations: [
      siteEntry('web', 80, 'HTTP', plainSite.port),
      siteEntry('secure', 443, 'TLS', secureSite.port),
      siteEntry('h2', 443, 'TLS', h2Site.port),
    ].join(''),
    async [Symbol.asyncDispose]() {
      for (const site of listening) await site.close()
    },
  }
}

/** The greeting, or how many bytes came. */
const answer: RequestListener = (request, response) => {
  let bytes = 0
  request.on('data', (chunk: Buffer) => (bytes += chunk.length))
  request.on('end', () => response.end(bytes === 0 ? SITE_ANSWER : `${bytes} bytes`))
}

interface ListeningSite {
  readonly port: number
  close(): Promise<void>
}

async function listen(server: Server | HttpsServer | Http2SecureServer): Promise<ListeningSite> {
  const open = new Set<Socket>()
  const sockets: NetServer = server
  sockets.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function siteEntry(name: string, port: number, protocol: string, targetPort: number): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${name}.test]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{ number: ${port}, name: port, protocol: ${protocol}, targetPort: ${targetPort} }]
  endpoints: [{ address: 127.0.0.1 }]
---
`
}
