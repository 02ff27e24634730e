import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createGatewayFastify, type GatewayPlugin } from '../http/fastify-server.ts'
import { StartError } from './start-error.ts'

type PluginFunction = GatewayPlugin['plugin']

/**
 * Loads the Fastify plugins of `--plugin`: a path (from the working folder) or the name of a package
 * that is installed there. A module's default export, or the module itself, is the plugin. They are
 * started once on trial: a listener that cannot start them could only say that it is not there.
 */
export async function loadPlugins(specs: readonly string[]): Promise<readonly GatewayPlugin[]> {
  const plugins: GatewayPlugin[] = []
  for (const spec of specs) plugins.push({ plugin: await loadPlugin(spec) })
  if (plugins.length > 0) await tryPlugins(plugins, specs)
  return plugins
}

async function tryPlugins(
  plugins: readonly GatewayPlugin[],
  specs: readonly string[],
): Promise<void> {
  const trial = createGatewayFastify({ onRequest: () => undefined, plugins })
  try {
    await trial.ready()
  } catch (error) {
    throw new StartError(
      `a plugin does not start: ${error instanceof Error ? error.message : String(error)}`,
      specs.map((spec) => `--plugin ${spec}`).join(' '),
      'options are given by a module of your own that registers the plugin with them',
    )
  } finally {
    await trial.close()
  }
}

async function loadPlugin(spec: string): Promise<PluginFunction> {
  let module: unknown
  try {
    module = await import(locate(spec))
  } catch (error) {
    throw new StartError(
      `the plugin cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      `--plugin ${spec}`,
      'give a path, or the name of a package that is installed in the working folder',
    )
  }
  const plugin = pluginOf(module)
  if (plugin !== null) return plugin
  throw new StartError(
    'the module exports no Fastify plugin',
    `--plugin ${spec}`,
    'export default async function (fastify, options) { ... }',
  )
}

function locate(spec: string): string {
  const path = resolve(spec)
  if (existsSync(path)) return pathToFileURL(path).href
  return pathToFileURL(createRequire(resolve('package.json')).resolve(spec)).href
}

/** CommonJS modules come wrapped once more in `default`. */
function pluginOf(module: unknown): PluginFunction | null {
  let candidate = module
  for (let depth = 0; depth < 3; depth++) {
    if (typeof candidate === 'function') return candidate as PluginFunction
    if (typeof candidate !== 'object' || candidate === null || !('default' in candidate))
      return null
    candidate = candidate.default
  }
  return null
}
