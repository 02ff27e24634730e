import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'

/** @fastify/http-proxy as its README shows it: `node http-proxy-server.ts PORT BACKEND_PORT`. */
const [port, backendPort] = process.argv.slice(2).map(Number)
const app = fastify({ logger: false })
await app.register(httpProxy, {
  upstream: `http://127.0.0.1:${backendPort}`,
  undici: { connections: 256, pipelining: 1 },
})
await app.listen({ port: port!, host: '127.0.0.1' })
