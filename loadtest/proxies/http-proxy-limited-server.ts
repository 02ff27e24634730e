import httpProxy from '@fastify/http-proxy'
import rateLimit from '@fastify/rate-limit'
import fastify from 'fastify'
import { Redis } from 'ioredis'

/**
 * @fastify/http-proxy behind @fastify/rate-limit as their READMEs show them:
 * `node http-proxy-limited-server.ts PORT BACKEND_PORT REDIS_URL`.
 */
const [port, backendPort] = process.argv.slice(2, 4).map(Number)
const redis = new Redis(process.argv[4] ?? '', {
  connectTimeout: 500,
  maxRetriesPerRequest: 1,
  protocol: 2,
})
const app = fastify({ logger: false })
await app.register(rateLimit, { redis, max: 1_000_000_000, timeWindow: 3_600_000 })
await app.register(httpProxy, {
  upstream: `http://127.0.0.1:${backendPort}`,
  undici: { connections: 256, pipelining: 1 },
})
await app.listen({ port: port!, host: '127.0.0.1' })
