import type { AdminState } from './admin-state.ts'
import {
  answerTheRest,
  createServer,
  listen,
  type RunningServer,
  type ServerAddress,
} from './http-server.ts'

export interface StatusServerOptions extends ServerAddress {
  readonly state: Pick<AdminState, 'lifecycle' | 'metrics'>
}

/**
 * Starts the server that load balancers and Prometheus may reach: `/healthz/ready` (200 when LIVE,
 * else 503) and `/stats/prometheus`, nothing else.
 */
export async function startStatusServer(options: StatusServerOptions): Promise<RunningServer> {
  const { state } = options
  const app = createServer()
  app.get('/healthz/ready', async (_request, reply) => {
    const lifecycle = state.lifecycle()
    return reply
      .code(lifecycle === 'LIVE' ? 200 : 503)
      .type('text/plain; charset=utf-8')
      .send(`${lifecycle}\n`)
  })
  app.get('/stats/prometheus', async (_request, reply) =>
    reply.type(state.metrics.contentType).send(await state.metrics.exposition()),
  )
  answerTheRest(
    app,
    new Map([
      ['/healthz/ready', 'GET, HEAD'],
      ['/stats/prometheus', 'GET, HEAD'],
    ]),
  )
  return listen(app, options)
}
