import type { FastifyInstance, FastifyReply } from 'fastify'
import { describeProblem } from '../config/problems.ts'
import { CallProblem } from '../explain/call.ts'
import { callOfQuery } from '../explain/call-query.ts'
import { explanationText } from '../explain/text.ts'
import type { AdminState } from './admin-state.ts'
import { ClusterRules } from './cluster-rules.ts'
import { describeSnapshot, RESOURCES } from './config-dump.ts'
import { describeResources, RESOURCE_KINDS } from './describe-resources.ts'
import {
  answerTheRest,
  createServer,
  guardServer,
  listen,
  type RunningServer,
  type ServerAddress,
} from './http-server.ts'
import { PAGE_POLICY, renderPage } from './page.ts'
import {
  explainedLimits,
  type LimitAnswer,
  resetLimits,
  topLimits,
} from './rate-limit-endpoints.ts'
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

function answered(call: Call, { status, body }: LimitAnswer): unknown {
  call.reply.code(status)
  return typeof body === 'string' ? text(call, body) : body
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
    generation: state.snapshot()?.generation ?? 0,
    lastLoad: state.lastLoad(),
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
    if (snapshot === null) return { generation: 0 }
    const served = state.served()
    const clusterRules = served === null ? null : new ClusterRules(served)
    return describeSnapshot(snapshot, resource, { fixedLimits: state.fixedLimits(), clusterRules })
  },
  '/explain': (state, call) => {
    const asked = callOfQuery(call.query)
    const found = asked instanceof CallProblem ? asked : state.explain(asked)
    if (found instanceof CallProblem) return refuse(call.reply, `${found.message}: ${found.hint}`)
    if (found === null) {
      call.reply.code(503)
      return text(call, 'no configuration serves yet\n')
    }
    return parameter(call.query, 'format') === 'text' ? text(call, explanationText(found)) : found
  },
  '/resources': (state, { query, reply }) => {
    const kind = parameter(query, 'kind')
    if (kind !== null && !RESOURCE_KINDS.includes(kind)) {
      return refuse(reply, `kind must be one of ${RESOURCE_KINDS.join(', ')}`)
    }
    const served = state.served()
    const generation = state.snapshot()?.generation ?? 0
    if (served === null) return { generation, resources: [] }
    return { generation, resources: describeResources(served.set, state.problems(), kind) }
  },
  '/egress': (state, call) =>
    state.egress?.() ?? refuse(call.reply, 'this process has no egress proxy'),
  '/ratelimit': (state, call) =>
    state.rateLimits?.() ?? refuse(call.reply, 'this process limits no requests'),
  '/ratelimit/top': async (state, call) => answered(call, await topLimits(state, call.query)),
  '/ratelimit/explain': async (state, call) =>
    answered(call, await explainedLimits(state, call.query)),
  '/dns': (state, call) => {
    const given = Object.hasOwn(call.query, 'advertise') ? call.query['advertise'] : undefined
    const advertise = given === undefined ? [] : [given].flat()
    const report = state.dns?.(advertise) ?? null
    if (report !== null) return report
    call.reply.code(503)
    return text(call, 'no configuration serves yet\n')
  },
  '/certs': (state) => ({
    certificates: state.certificates(),
    failedHandshakes: state.failedHandshakes(),
  }),
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
  '/ratelimit/reset': async (state, call) => answered(call, await resetLimits(state, call.query)),
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
