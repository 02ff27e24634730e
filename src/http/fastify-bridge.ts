import type { Server } from 'node:http'
import { parse, type ParsedUrlQuery } from 'node:querystring'
import type {
  FastifyError,
  FastifyReply,
  FastifyRequest,
  FastifyServerFactoryHandler,
} from 'fastify'
import type { ClientView } from './client-view.ts'
import type { DownstreamExchange } from './exchange.ts'
import { PluginExchange } from './fastify-answer.ts'
import { ForwardedExchange } from './fastify-exchange.ts'
import type { NodeHeaders } from './fastify-headers.ts'
import { RelayedExchange } from './fastify-relay.ts'
import { FastifyReplyFacade } from './fastify-reply.ts'
import { type AnswerWatcher, facadeOf, FastifyRequestFacade } from './fastify-request.ts'
import { FastifyServerFacade } from './fastify-server-facade.ts'
import { Headers } from './headers.ts'

export interface FastifyBridgeOptions {
  /**
   * Gets each exchange that no plugin answered, with its client if `findClient` was called. Must set
   * `exchange.handler` before it returns.
   */
  readonly onRequest: (exchange: DownstreamExchange, client: ClientView | null) => void
  /**
   * Called before plugins see an exchange, to make the headers true that only the gateway can know.
   * Not called without plugins. Default: plugins see what the client says.
   */
  readonly findClient?: ((exchange: DownstreamExchange) => ClientView) | null
  /**
   * Gets each exchange that a plugin answers by itself, to watch it: with `exchange.handler` it is
   * told how that goes. Default: not told.
   */
  readonly onPluginAnswer?: (exchange: DownstreamExchange, client: ClientView | null) => void
  /** A plugin failed, which costs its request a 5xx or a reset. Default: not told. */
  readonly onPluginError?: (error: unknown) => void
}

type NodeHandler = (request: FastifyRequestFacade, reply: FastifyReplyFacade) => void

/**
 * Path of the catch-all route. The router only ever sees this one, with method GET, unless a plugin
 * has routes of its own: targets that a router would decode, refuse or not know cannot confuse it.
 */
export const EXCHANGE_PATH = '/.tidegate'
export const ROUTED_METHOD = 'GET'
const NO_QUERY: ParsedUrlQuery = Object.freeze(Object.create(null) as ParsedUrlQuery)
const NO_HEADERS = new Headers()

/** Shows exchanges to a Fastify instance, and hands those it lets pass to the proxy. */
export class FastifyBridge implements AnswerWatcher {
  /** `serverFactory` of the Fastify instance. */
  readonly factory: (handler: FastifyServerFactoryHandler, options: unknown) => Server
  /** `routerOptions.querystringParser` of the Fastify instance. */
  readonly querystringParser: (text: string) => ParsedUrlQuery
  /** Handler of the catch-all routes. */
  readonly handler: (request: FastifyRequest, reply: FastifyReply) => void
  /** True when plugins are loaded: queries are parsed, reply headers are looked at. */
  hasPlugins: boolean
  /** Methods and plain paths may match a plugin's route, so the router gets to see them. */
  hasPluginRoutes: boolean
  /** Proxied answers go through onSend hooks. */
  hasSendHooks: boolean

  readonly #onRequest: FastifyBridgeOptions['onRequest']
  readonly #findClient: ((exchange: DownstreamExchange) => ClientView) | null
  readonly #onPluginAnswer: NonNullable<FastifyBridgeOptions['onPluginAnswer']> | null
  readonly #tellError: ((error: unknown) => void) | null
  readonly #routedMethods: Set<string>
  #fastify: NodeHandler | null
  #routing: FastifyRequestFacade | null
  /** Forwarded and done with. */
  #spare: FastifyRequestFacade | null

  constructor(options: FastifyBridgeOptions) {
    this.factory = this.#createServer.bind(this)
    this.querystringParser = this.#parseQuery.bind(this)
    this.handler = this.#forward.bind(this)
    this.hasPlugins = false
    this.hasPluginRoutes = false
    this.hasSendHooks = false
    this.#onRequest = options.onRequest
    this.#findClient = options.findClient ?? null
    this.#onPluginAnswer = options.onPluginAnswer ?? null
    this.#tellError = options.onPluginError ?? null
    this.#routedMethods = new Set()
    this.#fastify = null
    this.#routing = null
    this.#spare = null
  }

  /** Methods for which the instance has a catch-all route next to plugins' routes. */
  setRoutedMethods(methods: readonly string[]): void {
    for (const method of methods) this.#routedMethods.add(method)
  }

  /** Runs the instance's hooks for an exchange. Call it from the server's request callback. */
  dispatch(exchange: DownstreamExchange): void {
    const request = this.#facadeFor(exchange)
    const reply = request.reply
    if (this.hasPluginRoutes) this.#showTarget(request)
    this.#routing = request
    try {
      this.#fastify?.(request, reply)
    } catch (error) {
      // The price of a plugin's mistake is this request and nothing else.
      reply.fail(error)
    }
    this.#routing = null
    if (request.isPending) request.wait()
    else if (!this.hasPlugins && request.isForwarded) this.#spare = request
  }

  /** A pair of facades: the last one again when no plugin can have kept it. */
  #facadeFor(exchange: DownstreamExchange): FastifyRequestFacade {
    const spare = this.#spare
    if (spare !== null && !this.hasPlugins) {
      this.#spare = null
      spare.reuse(exchange, ROUTED_METHOD, EXCHANGE_PATH)
      return spare
    }
    const reply = new FastifyReplyFacade(exchange)
    const watcher = this.hasPlugins ? this : null
    const request = new FastifyRequestFacade(exchange, reply, ROUTED_METHOD, EXCHANGE_PATH, watcher)
    reply.req = request
    if (watcher !== null && this.#findClient !== null) request.client = this.#findClient(exchange)
    return request
  }

  onPluginAnswer(facade: FastifyRequestFacade): void {
    if (this.#onPluginAnswer === null) return
    const exchange = new PluginExchange(facade)
    facade.exchange.handler = exchange
    this.#onPluginAnswer(exchange, facade.client)
  }

  onPluginError(error: unknown): void {
    this.#tellError?.(error)
  }

  /** onError hook, before any error handler writes an answer. */
  takeError(request: FastifyRequest, error: FastifyError | null): void {
    const { handler } = facadeOf(request).exchange
    if (handler instanceof RelayedExchange) handler.dropAnswer()
    const statusCode = error?.statusCode ?? 500
    if (statusCode >= 500) this.#tellError?.(error)
  }

  #showTarget(request: FastifyRequestFacade): void {
    const { method, path } = request.exchange.request
    // An escape could only fail to decode, or match what the proxy would route differently.
    if (path.indexOf('%') !== -1 || !path.startsWith('/') || !this.#routedMethods.has(method))
      return
    request.method = method
    request.url = path
  }

  #createServer(handler: FastifyServerFactoryHandler): Server {
    // Fastify's types name node:http's classes; it uses the few members that the facades have.
    this.#fastify = handler as unknown as NodeHandler
    return new FastifyServerFacade() as unknown as Server
  }

  /** The router calls this once per request, right after a route has matched. */
  #parseQuery(): ParsedUrlQuery {
    const request = this.#routing
    if (request === null || !this.hasPlugins) return NO_QUERY
    request.unveil()
    const { query } = request.exchange.request
    return query !== '' ? parse(query.slice(1)) : NO_QUERY
  }

  #forward(request: FastifyRequest, reply: FastifyReply): void {
    const facade = facadeOf(request)
    if (this.hasPlugins) {
      this.#forwardObserved(facade, request, reply)
      return
    }
    facade.forward()
    // No hijack: only hooks would ask whether the reply was sent.
    this.#give(facade.exchange, null)
  }

  #forwardObserved(
    facade: FastifyRequestFacade,
    request: FastifyRequest,
    reply: FastifyReply,
  ): void {
    // The client has left, or a plugin answers without having stopped the chain of hooks.
    if (!facade.isPending) return
    facade.adoptHeaders(request.headers as NodeHeaders)
    const waited = facade.exchange.handler === facade
    const exchange = this.hasSendHooks
      ? new RelayedExchange(facade, reply)
      : this.#observed(facade, reply)
    facade.forward()
    if (!this.hasSendHooks) reply.hijack()
    // Before the proxy has it: the proxy stops the client when it has no room.
    if (waited) facade.exchange.resumeRequestBody()
    if (exchange !== null) facade.exchange.handler = exchange
    this.#give(exchange ?? facade.exchange, facade.client)
    if (waited) facade.replay(facade.exchange.handler)
  }

  /** Null: no plugin wants a part in the answer. */
  #observed(facade: FastifyRequestFacade, reply: FastifyReply): ForwardedExchange | null {
    const raw = facade.reply
    const isWatched = raw.listenerCount('finish') > 0 || facade.listenerCount('close') > 0
    const headers = reply.getHeaders()
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) raw.setHeader(name, value)
    }
    const extra = raw.hasHeaders ? raw.toHeaders() : NO_HEADERS
    return isWatched || extra.size > 0 ? new ForwardedExchange(facade, extra) : null
  }

  /** Fastify would catch, and forget, what the proxy throws; an error there is a bug and must show. */
  #give(exchange: DownstreamExchange, client: ClientView | null): void {
    try {
      this.#onRequest(exchange, client)
    } catch (error) {
      process.nextTick(rethrow, error)
    }
  }
}

function rethrow(error: unknown): never {
  throw error
}
