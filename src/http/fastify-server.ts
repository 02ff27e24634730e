import fastify, {
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyPluginCallback,
} from 'fastify'
import { EXCHANGE_PATH, FastifyBridge, type FastifyBridgeOptions } from './fastify-bridge.ts'
import { watchHooks } from './fastify-hooks.ts'
import { GatewayRoutes } from './fastify-routes.ts'

/** A user's Fastify plugin, ready to be called, and its options. */
export interface GatewayPlugin {
  readonly plugin: FastifyPluginCallback | FastifyPluginAsync
  readonly options?: Readonly<Record<string, unknown>>
}

export interface GatewayFastifyOptions extends FastifyBridgeOptions {
  readonly plugins?: readonly GatewayPlugin[]
}

/** One listener's Fastify instance. */
export interface GatewayFastify {
  readonly bridge: FastifyBridge
  readonly instance: FastifyInstance
  /** Resolves when every plugin is loaded; rejects with the error of the one that is not. */
  ready(): Promise<void>
  /** Runs the plugins' onClose hooks. */
  close(): Promise<void>
}

/** Longest parameter of a plugin's route: more than any target the wire lets in. */
const MAX_PARAM_LENGTH = 65_536

/**
 * Builds the Fastify instance of an HTTP listener: one catch-all handler that gives the exchange to
 * `onRequest`, and the users' plugins, whose hooks run for every exchange. For what is proxied
 * Fastify itself never parses a body, never answers 404 or 400, and keeps serving while it closes.
 */
export function createGatewayFastify(options: GatewayFastifyOptions): GatewayFastify {
  const bridge = new FastifyBridge(options)
  const plugins = options.plugins ?? []
  const instance = fastify({
    serverFactory: bridge.factory,
    logger: false,
    return503OnClosing: false,
    // Only a plugin can ask for `request.id`.
    ...(plugins.length === 0 && { genReqId: noId }),
    routerOptions: {
      querystringParser: bridge.querystringParser,
      maxParamLength: MAX_PARAM_LENGTH,
    },
  })
  bridge.hasPlugins = plugins.length > 0
  if (bridge.hasPlugins) loadPlugins(instance, bridge, plugins)
  else void instance.register(inScope(bridge))
  return {
    bridge,
    instance,
    ready: async () => {
      await instance.ready()
    },
    close: async () => {
      await instance.close()
    },
  }
}

function noId(): string {
  return ''
}

/**
 * The catch-all route in a scope of its own: the router asks the instance that a route belongs to for
 * several things in each request, and the root has so many members that V8 looks each up in a table.
 */
function inScope({ handler }: FastifyBridge): FastifyPluginCallback {
  return (scope, _options, done) => {
    scope.get(EXCHANGE_PATH, { exposeHeadRoute: false }, handler)
    done()
  }
}

function loadPlugins(
  instance: FastifyInstance,
  bridge: FastifyBridge,
  plugins: readonly GatewayPlugin[],
): void {
  const routes = new GatewayRoutes(bridge)
  watchHooks(instance, (name) => {
    if (name === 'onSend') bridge.hasSendHooks = true
  })
  routes.prepare(instance)
  for (const { plugin, options } of plugins) {
    void instance.register(unencapsulated(plugin), options ?? {})
  }
  // Behind the plugins: their onRoute hooks, with which some add themselves to routes, see it too.
  void instance.register(
    unencapsulated((last, _options, done) => {
      routes.addCatchAll(last)
      done()
    }),
  )
}

const SKIP_OVERRIDE = Symbol.for('skip-override')
const DISPLAY_NAME = Symbol.for('fastify.display-name')
const PLUGIN_META = Symbol.for('plugin-meta')

/**
 * Fastify confines the hooks of a plugin to the routes it registers; a gateway's plugin is loaded
 * for its hooks on every exchange, whether or not its author wrapped it with fastify-plugin.
 */
function unencapsulated(plugin: GatewayPlugin['plugin']): FastifyPluginCallback {
  const open: object = plugin.bind(null)
  const meta: unknown = Reflect.get(plugin, PLUGIN_META)
  Object.assign(open, {
    [SKIP_OVERRIDE]: true,
    [DISPLAY_NAME]: Reflect.get(plugin, DISPLAY_NAME) ?? plugin.name,
  })
  if (meta !== undefined) Object.assign(open, { [PLUGIN_META]: meta })
  return open as FastifyPluginCallback
}
