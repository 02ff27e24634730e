import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { GatewayPlugin } from '../http/fastify-server.ts'
import { StartError } from './start-error.ts'

type PluginFunction = GatewayPlugin['plugin']

/**
 * Loads the Fastify plugins of `--plugin`: a path (from the working folder) or the name of a package
 * that is installed there. A module's default export, or the module itself, is the plugin.
 */
export async function loadPlugins(specs: readonly string[]): Promise<readonly GatewayPlugin[]> {
  const plugins: GatewayPlugin[] = []
  for (const spec of specs) plugins.push({ plugin: await loadPlugin(spec) })
  return plugins
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
