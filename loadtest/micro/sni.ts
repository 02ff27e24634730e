import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { compileSnapshot } from '../../src/compile/compile.ts'
import { ResourceStore } from '../../src/config/store.ts'
import type { HostTable } from '../../src/routing/host-table.ts'
import type { TlsChainPlan } from '../../src/snapshot/listener-plan.ts'

/**
 * Finding the server of a TLS port by its server name: nanoseconds for one lookup in the compiled
 * table, for exact names, wildcards, and names nobody serves. Writes results/<date>-sni.md.
 *
 *   node loadtest/micro/sni.ts [--sizes 1,10,200,2000]
 */
const at = process.argv.indexOf('--sizes')
const sizes = (at === -1 ? '1,10,200,2000' : (process.argv[at + 1] ?? '')).split(',').map(Number)
const LOOKUPS = 2_000_000
const ROUNDS = 5
/** Names that take turns, so that no lookup is that of the same string again. */
const NAMES = 1024

type Kind = 'exact' | 'wildcard'

/** Hosts of the servers, and what clients ask for. */
function hostOf(kind: Kind, index: number): string {
  return kind === 'exact' ? `app-${index}.example.com` : `*.team-${index}.example.com`
}

function nameOf(kind: Kind, index: number): string {
  return kind === 'exact' ? `app-${index}.example.com` : `web.team-${index}.example.com`
}

function tableOf(kind: Kind, size: number): HostTable<TlsChainPlan> {
  const servers = Array.from({ length: size }, (_, index) => ({
    port: { number: 443, name: `https-${index}`, protocol: 'HTTPS' },
    hosts: [hostOf(kind, index)],
    tls: { mode: 'SIMPLE', credentialName: `certificate-${index}` },
  }))
  const gateway = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'edge', namespace: 'istio-system' },
    spec: { servers },
  }
  const store = new ResourceStore({ compat: false })
  const { set } = store.load([{ path: 'edge.json', text: JSON.stringify(gateway), error: null }])
  const { snapshot } = compileSnapshot({
    set,
    generation: 1,
    ownLabels: [],
    namespace: 'istio-system',
    domain: 'cluster.local',
    meshConfig: null,
    compat: false,
    filterFactories: [],
  })
  const accept = snapshot.listeners[0]?.accept
  if (accept?.type !== 'tls') throw new Error('no TLS listener was compiled')
  if (accept.chains.all.length !== size) throw new Error('a server is missing')
  return accept.chains.bySni
}

/** Nanoseconds for a lookup: the median of the rounds. */
function lookupNs(
  table: HostTable<TlsChainPlan>,
  names: readonly string[],
  expected: boolean,
): number {
  const round = (count: number): number => {
    let found = 0
    const began = performance.now()
    for (let i = 0; i < count; i++) if (table.find(names[i % NAMES]!) !== null) found++
    const ms = performance.now() - began
    if (found !== (expected ? count : 0)) throw new Error(`${found} of ${count} were found`)
    return (ms * 1e6) / count
  }
  round(LOOKUPS / 10)
  const rounds = Array.from({ length: ROUNDS }, () => round(LOOKUPS))
  return rounds.toSorted((a, b) => a - b)[ROUNDS >> 1]!
}

/** As read from ClientHellos: strings of their own, not those the table holds. */
function namesFrom(make: (index: number) => string): string[] {
  return Array.from({ length: NAMES }, (_, index) => Buffer.from(make(index)).toString('latin1'))
}

const rows = sizes.map((size) => {
  const spread = (kind: Kind) => (index: number) => nameOf(kind, (index * 7919) % size)
  const cells = (['exact', 'wildcard'] as const).flatMap((kind) => {
    const table = tableOf(kind, size)
    const unknown = namesFrom((index) => `web.other-${index}.example.org`)
    return [lookupNs(table, namesFrom(spread(kind)), true), lookupNs(table, unknown, false)]
  })
  return `| ${size} | ${cells.map((ns) => ns.toFixed(0)).join(' | ')} |`
})

const date = new Date().toISOString().slice(0, 10)
const node = process.version.slice(1).replace(/\.\d+$/, '')
const report = `# Servers of one TLS port by server name, ${date}

\`node loadtest/micro/sni.ts\`, Node.js ${node}, Linux, load average ${loadavg()[0]!.toFixed(1)}. Each Gateway server has one host
and a certificate of its own. Nanoseconds for one lookup in the compiled table, ${NAMES} names taking
turns; median of ${ROUNDS} rounds of ${LOOKUPS / 1e6} million.

| servers | exact | exact, unknown name | \`*.suffix\` | \`*.suffix\`, unknown name |
| ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}

A lookup is one look into a map of exact names, then one for each label of the name from the longest
suffix on: what it costs depends on the name, not on how many servers there are. (More servers are more
memory, which the caches of the processor notice.) It happens once for each connection.
`
writeFileSync(join(import.meta.dirname, '..', 'results', `${date}-sni.md`), report)
console.log(report)
