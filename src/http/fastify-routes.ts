import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  preParsingHookHandler,
} from 'fastify'
import { EXCHANGE_PATH, type FastifyBridge, ROUTED_METHOD } from './fastify-bridge.ts'
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

  constructor(bridge: FastifyBridge) {
    this.#bridge = bridge
  }

  /** Before any plugin, so that these hooks are the first. */
  prepare(instance: FastifyInstance): void {
    instance.addHook('onRoute', (route) => {
      if (route.handler === this.#bridge.handler) return
      this.#bridge.hasPluginRoutes = true
      route.onRequest = [ownBody, ...listOf(route.onRequest)]
    })
    instance.addHook('preValidation', showMethod)
    instance.addHook('onError', (request, _reply, error, done) => {
      this.#bridge.takeError(request, error as FastifyError)
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
    })
    instance.get(EXCHANGE_PATH, { ...UNTOUCHED_BODY, exposeHeadRoute: false }, handler)
    instance.all(CATCH_ALL, UNTOUCHED_BODY, handler)
    this.#bridge.setRoutedMethods(instance.supportedMethods)
  }
}

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

function listOf<T>(hooks: Hooks<T>): T[] {
  if (hooks === undefined) return []
  return Array.isArray(hooks) ? hooks : [hooks]
}
