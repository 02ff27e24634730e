import type { FastifyInstance, FastifyReply } from 'fastify'
import { describeProblem } from '../config/problems.ts'
import type { AdminState } from './admin-state.ts'
import { describeSnapshot, RESOURCES } from './config-dump.ts'
import {
  answerTheRest,
  createServer,
  guardServer,
  listen,
  type RunningServer,
  type ServerAddress,
} from './http-server.ts'
import { PAGE_POLICY, renderPage } from './page.ts'
import { clustersText, filterStats, listenersText } from './text-views.ts'

export interface AdminServerOptions extends ServerAddress {
  readonly state: AdminState
}

const TEXT = 'text/plain; charset=utf-8'

type Query = Readonly<Record<string, string | string[] | undefined>>

interface Call {
  readonly query: Query
  readonly reply: FastifyReply
}

type Endpoint = (state: AdminState, call: Call) => unknown

/**
 * Starts the admin API and dashboard: docs/admin-api.md. Rejects when the address cannot be bound.
 * It can end the process and shows the whole configuration: bind it to loopback.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<RunningServer> {
  const app = createServer()
  guardServer(app, options)
  register(app, 'GET', READING, options.state)
  register(app, 'POST', ACTING, options.state)
  answerTheRest(
    app,
    new Map([
      ...Object.keys(READING).map((path) => [path, 'GET, HEAD'] as const),
      ...Object.keys(ACTING).map((path) => [path, 'POST'] as const),
    ]),
  )
  return listen(app, options)
}

function register(
  app: FastifyInstance,
  method: 'GET' | 'POST',
  endpoints: Readonly<Record<string, Endpoint>>,
  state: AdminState,
): void {
  for (const [url, endpoint] of Object.entries(endpoints)) {
    app.route<{ Querystring: Query }>({
      method,
      url,
      handler: async ({ query }, reply) => endpoint(state, { query, reply }),
    })
  }
}

/** First value of a query parameter, or null. */
function parameter(query: Query, name: string): string | null {
  const value = Object.hasOwn(query, name) ? query[name] : undefined
  return (Array.isArray(value) ? value[0] : value) ?? null
}

function refuse(reply: FastifyReply, message: string): string {
  reply.code(400).type(TEXT)
  return `${message}\n`
}

function text({ reply }: Call, body: string): string {
  reply.type(TEXT)
  return body
}

const wantsJson = ({ query }: Call): boolean => parameter(query, 'format') === 'json'

const READING: Readonly<Record<string, Endpoint>> = {
  '/': (state, { reply }) => {
    reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY)
    return renderPage(state)
  },
  '/ready': (state, call) => {
    const lifecycle = state.lifecycle()
    call.reply.code(lifecycle === 'LIVE' ? 200 : 503)
    return text(call, `${lifecycle}\n`)
  },
  '/server_info': (state) => ({
    ...state.serverInfo(),
    state: state.lifecycle(),
    logLevel: state.logLevel(),
  }),
  '/listeners': (state, call) => {
    const listeners = state.boundListeners()
    return wantsJson(call) ? { listeners } : text(call, listenersText(listeners))
  },
  '/clusters': (state, call) => {
    const clusters = state.clusters()
    return wantsJson(call) ? { clusters } : text(call, clustersText(clusters))
  },
  '/config_dump': (state, { query, reply }) => {
    const resource = parameter(query, 'resource')
    if (resource !== null && !RESOURCES.includes(resource)) {
      return refuse(reply, `resource must be one of ${RESOURCES.join(', ')}`)
    }
    const snapshot = state.snapshot()
    return snapshot === null ? { generation: 0 } : describeSnapshot(snapshot, resource)
  },
  '/certs': (state) => ({ certificates: state.certificates() }),
  '/problems': (state) => {
    const problems = state.problems()
    const count = (severity: string): number =>
      problems.filter((problem) => problem.severity === severity).length
    const counts = { error: count('error'), warning: count('warning'), info: count('info') }
    return { counts, problems: problems.map(describeProblem) }
  },
  '/stats': async (state, call) =>
    text(call, filterStats(await state.metrics.exposition(), parameter(call.query, 'filter'))),
  '/stats/prometheus': async (state, { reply }) => {
    reply.type(state.metrics.contentType)
    return state.metrics.exposition()
  },
}

const ACTING: Readonly<Record<string, Endpoint>> = {
  '/logging': (state, { query, reply }) => {
    const level = parameter(query, 'level')
    if (level === null) return refuse(reply, 'level is missing: POST /logging?level=debug')
    if (!state.setLogLevel(level)) return refuse(reply, 'there is no such level')
    return { level: state.logLevel() }
  },
  '/reload': async (state, { reply }) => {
    const outcome = await state.reload()
    if (!outcome.ok) reply.code(500)
    return outcome
  },
  '/drain_listeners': (state, call) => {
    state.drain(parameter(call.query, 'graceful') !== null)
    return text(call, 'OK\n')
  },
  '/healthcheck/fail': (state, call) => {
    state.failHealthcheck(true)
    return text(call, 'OK\n')
  },
  '/healthcheck/ok': (state, call) => {
    state.failHealthcheck(false)
    return text(call, 'OK\n')
  },
  '/quitquitquit': (state, call) => {
    call.reply.raw.once('close', () => state.quit())
    return text(call, 'OK\n')
  },
}
