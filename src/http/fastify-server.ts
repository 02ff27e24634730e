import fastify, {
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyPluginCallback,
} from 'fastify'
import { guardHooks } from './fastify-hooks.ts'
import { EXCHANGE_PATH, FastifyBridge, type FastifyBridgeOptions } from './fastify-bridge.ts'

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
/** Methods that Fastify would parse a body for; here bodies belong to the proxy. */
const METHODS_WITH_BODY = ['DELETE', 'OPTIONS', 'PATCH', 'PUT', 'POST', 'QUERY'] as const

/**
 * Builds the Fastify instance of an HTTP listener: one catch-all handler that gives the exchange to
 * `onRequest`, and the users' plugins, whose hooks run for every exchange. Fastify itself never
 * parses a body, never answers 404 or 400, and keeps serving while it closes.
 */
export function createGatewayFastify(options: GatewayFastifyOptions): GatewayFastify {
  const bridge = new FastifyBridge(options)
  const instance = fastify({
    serverFactory: bridge.factory,
    logger: false,
    return503OnClosing: false,
    routerOptions: {
      querystringParser: bridge.querystringParser,
      maxParamLength: MAX_PARAM_LENGTH,
    },
  })
  const plugins = options.plugins ?? []
  bridge.hasPlugins = plugins.length > 0
  for (const method of METHODS_WITH_BODY) instance.addHttpMethod(method, WITHOUT_BODY)
  instance.get(EXCHANGE_PATH, { exposeHeadRoute: false }, bridge.handler)
  if (bridge.hasPlugins) loadPlugins(instance, bridge, plugins)
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

/** Fastify's types lack overrideExisting. */
const WITHOUT_BODY: { hasBody: boolean; overrideExisting: boolean } = {
  hasBody: false,
  overrideExisting: true,
}

function loadPlugins(
  instance: FastifyInstance,
  bridge: FastifyBridge,
  plugins: readonly GatewayPlugin[],
): void {
  // For exchanges that match no plugin's route while the router looks at real targets.
  instance.all('*', bridge.handler)
  bridge.setRoutedMethods(instance.supportedMethods)
  guardHooks(instance)
  instance.addHook('onRoute', (route) => {
    if (route.url !== '*') bridge.hasPluginRoutes = true
  })
  for (const { plugin, options } of plugins) {
    void instance.register(unencapsulated(plugin), options ?? {})
  }
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
  const marks = plugin as unknown as Record<symbol, unknown>
  const meta = marks[PLUGIN_META]
  Object.assign(open, {
    [SKIP_OVERRIDE]: true,
    [DISPLAY_NAME]: marks[DISPLAY_NAME] ?? plugin.name,
  })
  if (meta !== undefined) Object.assign(open, { [PLUGIN_META]: meta })
  return open as FastifyPluginCallback
}
