import { compileSnapshot } from '../../src/compile/compile.ts'
import { CompileMemory } from '../../src/compile/compile-memory.ts'
import type { SourceFile } from '../../src/config/file-reading.ts'
import { ResourceStore } from '../../src/config/store.ts'
import type { HostTable } from '../../src/routing/host-table.ts'
import type { VirtualHost } from '../../src/routing/virtual-host.ts'
import { fileOf, hostOf, type Layout, scaleFiles, virtualService } from './many-services.ts'
import { measureReloads } from './scale-reload.ts'

/**
 * Many VirtualServices on one port: reading, compiling, finding a host, and reloading one of them,
 * as one folder of files and as one file of documents. The reload is that of a running gateway, from
 * the write of the file to the first answer that shows it.
 *
 *   node loadtest/micro/scale.ts [--sizes 100,1000,10000] [--no-reload]
 */
const args = process.argv.slice(2)
const at = args.indexOf('--sizes')
const sizes = (at === -1 ? '100,1000,10000' : (args[at + 1] ?? '')).split(',').map(Number)
const LAYOUTS: readonly Layout[] = ['folder', 'one-file']
/** Changes of one VirtualService, of which the median counts. */
const ROUNDS = 5
const LOOKUPS = 2_000_000

const rows: string[] = []
for (const layout of LAYOUTS) {
  for (const size of sizes) rows.push(await measure(layout, size))
}
console.log(
  [
    '| layout | VirtualServices | first read ms | compile ms | read again ms | compile again ms | lookup ns | reload ms (worst) |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n'),
)

async function measure(layout: Layout, size: number): Promise<string> {
  const store = new ResourceStore({ compat: false })
  const memory = new CompileMemory()
  let files: readonly SourceFile[] = scaleFiles(size, layout).map((file) => ({
    ...file,
    error: null,
  }))
  const [firstRead, firstCompile, table] = load(store, memory, files)
  const again: (readonly [number, number])[] = []
  for (let version = 1; version <= ROUNDS; version++) {
    files = changed(files, layout, size, version)
    const [read, compile] = load(store, memory, files)
    again.push([read, compile])
  }
  const lookup = lookupNs(table, size)
  const reloads = args.includes('--no-reload') ? [] : await measureReloads(layout, size, ROUNDS)
  const cells = [
    layout,
    size,
    ...[
      firstRead,
      firstCompile,
      median(again.map(([read]) => read)),
      median(again.map(([, compile]) => compile)),
      lookup,
    ].map(Math.round),
    reloads.length === 0
      ? '-'
      : `${Math.round(median(reloads))} (${Math.round(Math.max(...reloads))})`,
  ]
  return `| ${cells.join(' | ')} |`
}

function load(
  store: ResourceStore,
  memory: CompileMemory,
  files: readonly SourceFile[],
): [read: number, compile: number, table: HostTable<VirtualHost>] {
  const began = performance.now()
  const { set } = store.load(files)
  const read = performance.now()
  const { snapshot } = compileSnapshot({
    set,
    memory,
    generation: 1,
    ownLabels: [],
    namespace: 'istio-system',
    domain: 'cluster.local',
    meshConfig: null,
    compat: false,
    filterFactories: [],
  })
  const compiled = performance.now()
  const accept = snapshot.listeners[0]?.accept
  if (accept?.type !== 'http') throw new Error('no HTTP listener was compiled')
  return [read - began, compiled - read, accept.http.hosts]
}

/** One VirtualService in the middle says something else, and is a line longer for it. */
function changed(
  files: readonly SourceFile[],
  layout: Layout,
  size: number,
  version: number,
): readonly SourceFile[] {
  const index = size >> 1
  const before = virtualService(index, version - 1) + '#\n'.repeat(version - 1)
  const text = virtualService(index, version) + '#\n'.repeat(version)
  return files.map((file) => {
    if (layout === 'one-file') return { ...file, text: (file.text ?? '').replace(before, text) }
    return file.path === fileOf(index) ? { ...file, text } : file
  })
}

function lookupNs(table: HostTable<VirtualHost>, size: number): number {
  const hosts = Array.from({ length: Math.min(size, 1000) }, (_, index) =>
    hostOf(Math.floor((index * size) / Math.min(size, 1000))),
  )
  let found = 0
  const run = (count: number): number => {
    const began = performance.now()
    for (let i = 0; i < count; i++) if (table.find(hosts[i % hosts.length]!) !== null) found++
    return performance.now() - began
  }
  run(LOOKUPS / 10)
  const ms = run(LOOKUPS)
  if (found === 0) throw new Error('no host was found')
  return (ms * 1e6) / LOOKUPS
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN
}
