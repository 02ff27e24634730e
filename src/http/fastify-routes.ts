import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onSendHookHandler,
  preParsingHookHandler,
  RouteOptions,
} from 'fastify'
import { EXCHANGE_PATH, type FastifyBridge, ROUTED_METHOD } from './fastify-bridge.ts'
import { guardedSendHook, guardTrailers, lastHook, type SendHook } from './fastify-guards.ts'
import { facadeOf } from './fastify-request.ts'

type Hooks<T> = T | T[] | undefined

const CATCH_ALL = '*'

/** @fastify/compress would unpack request bodies on the way; they go upstream as they came. */
const UNTOUCHED_BODY: object = { decompress: false }

/**
 * The routes of an instance with plugins: the catch-all, for which Fastify must not parse a body,
 * and the plugins' own, which are ordinary Fastify routes.
 */
export class GatewayRoutes {
  readonly #bridge: FastifyBridge
  /** Those of plugins. Fastify reads their hooks when all plugins are loaded. */
  readonly #own: RouteOptions[]

  constructor(bridge: FastifyBridge) {
    this.#bridge = bridge
    this.#own = []
  }

  /** Before any plugin, so that these hooks are the first. */
  prepare(instance: FastifyInstance): void {
    instance.addHook('onRoute', (route) => {
      if (route.handler === this.#bridge.handler) return
      this.#bridge.hasPluginRoutes = true
      this.#own.push(route)
      route.onRequest = [ownBody, ...listOf(route.onRequest)]
    })
    guardTrailers(instance)
    instance.addHook('preValidation', showMethod)
    instance.addHook('onError', (request, _reply, error, done) => {
      this.#bridge.takeError(request, error as FastifyError | null)
      done()
    })
  }

  /** After all plugins. */
  addCatchAll(instance: FastifyInstance): void {
    const { handler } = this.#bridge
    instance.addHook('onRoute', (route) => {
      if (route.handler !== handler) return
      if (listOf(route.onSend).length > 0) this.#bridge.hasSendHooks = true
      route.preParsing = [...listOf(route.preParsing), hideMethod]
      guardSend(route)
    })
    for (const route of this.#own) {
      route.preParsing = [...listOf(route.preParsing), LAST_PARSING]
      guardSend(route)
    }
    instance.addHook('onSend', LAST_SEND)
    instance.get(EXCHANGE_PATH, { ...UNTOUCHED_BODY, exposeHeadRoute: false }, handler)
    instance.all(CATCH_ALL, UNTOUCHED_BODY, handler)
    this.#bridge.setRoutedMethods(instance.supportedMethods)
  }
}

// One function for both: Fastify's types tell payloads of requests and of answers apart.
const LAST_PARSING = lastHook as preParsingHookHandler
const LAST_SEND = lastHook as onSendHookHandler

/** Fastify looks at the method alone to tell whether there is a body to parse. */
const hideMethod: preParsingHookHandler = (request, _reply, _payload, done) => {
  facadeOf(request).method = ROUTED_METHOD
  done()
}

function showMethod(
  request: FastifyRequest,
  _reply: FastifyReply,
  done: HookHandlerDoneFunction,
): void {
  const facade = facadeOf(request)
  facade.method = facade.exchange.request.method
  done()
}

function ownBody(
  request: FastifyRequest,
  _reply: FastifyReply,
  done: HookHandlerDoneFunction,
): void {
  facadeOf(request).keepNoBody()
  done()
}

/** Hooks of a route come behind all of the instance. */
function guardSend(route: RouteOptions): void {
  const hooks = listOf(route.onSend)
  if (hooks.length === 0) return
  // What a hook takes and gives is for the plugin to know.
  const guarded = hooks.map((hook) => guardedSendHook(hook as SendHook) as onSendHookHandler)
  route.onSend = [...guarded, LAST_SEND]
}

function listOf<T>(hooks: Hooks<T>): T[] {
  if (hooks === undefined) return []
  return Array.isArray(hooks) ? hooks : [hooks]
}
