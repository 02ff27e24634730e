import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/** Which room may import which. `type:` rooms may be imported for their types only. */
const ROOMS: Record<string, readonly string[]> = {
  'src/base': [],
  'src/config': ['src/base'],
  'src/http': ['src/base'],
  'src/tls': ['src/base'],
  // Keeps what it is issued in a store that is handed in: knows neither resources nor listeners.
  'src/acme': ['src/tls', 'src/base'],
  'src/upstream': ['src/http', 'src/tls', 'src/base'],
  'src/clusters': ['src/upstream', 'src/tls', 'src/base', 'type:src/http'],
  // A filter that answers makes header fields: that one class is a value it may import.
  'src/filters': ['src/base', 'type:src/http', 'src/http/headers.ts'],
  'src/routing': ['src/filters', 'src/clusters', 'src/base', 'type:src/http'],
  // A route table carries what authenticates its clients: that contract is a type of filters.
  'src/snapshot': ['src/routing', 'src/clusters', 'src/tls', 'src/base', 'type:src/filters'],
  'src/compile': [
    'src/config',
    'src/snapshot',
    'src/routing',
    'src/filters',
    'src/clusters',
    'src/tls',
    'src/base',
  ],
  'src/proxy': [
    'src/snapshot',
    'src/routing',
    'src/filters',
    'src/clusters',
    'src/upstream',
    'src/http',
    'src/base',
    // What the client says first inside a tunnel is judged where the tunnel is.
    'src/tls/client-hello.ts',
  ],
  'src/listeners': ['src/proxy', 'src/snapshot', 'src/routing', 'src/http', 'src/tls', 'src/base'],
  // Answers with the tables and decisions of the data path; the wire's settings are made where
  // connections are accepted.
  'src/explain': [
    'src/compile',
    'src/config',
    'src/snapshot',
    'src/proxy',
    'src/routing',
    'src/filters',
    'src/clusters',
    'src/tls',
    'src/http',
    'src/base',
    'src/listeners/wire-settings.ts',
  ],
  'src/telemetry': [
    'src/base',
    'type:src/proxy',
    'type:src/http',
    'type:src/clusters',
    'type:src/snapshot',
  ],
  'src/admin': [
    'src/telemetry',
    'src/snapshot',
    'src/config',
    'src/compile',
    'src/explain',
    'src/base',
    'type:src/clusters',
    'type:src/routing',
    'type:src/filters',
    'type:src/tls',
  ],
  'src/process': ['*'],
  // Answers DNS from names and addresses; knows nothing of resources or of traffic.
  'src/dns': ['src/base'],
  'src/cli': ['*'],
  'src/main.ts': ['*'],
  plugins: ['src/filters', 'src/base', 'type:src/http'],
  certs: [],
}

/** npm packages that belong to one room. `yaml` is read where configuration is. */
const PACKAGE_ROOMS: Record<string, readonly string[]> = {
  ioredis: ['plugins'],
  jose: ['plugins'],
  '@grpc/grpc-js': ['plugins'],
  'node-forge': ['certs', 'src/tls'],
  re2js: ['src/routing', 'src/config', 'plugins'],
  'prom-client': ['src/telemetry'],
  pino: ['src/process'],
  'dns-packet': ['src/dns'],
  'acme-client': ['src/acme'],
  'pino-pretty': ['src/process'],
  commander: ['src/cli'],
  yaml: ['src/config', 'src/cli', 'src/compile', 'plugins'],
  fastify: ['src/http', 'src/listeners', 'src/admin', 'plugins'],
}

/** Files that may be longer than the limit, each with its reason. */
const LONG_FILES: Record<string, string> = {}
const MAX_LINES = 400

interface Import {
  readonly file: string
  readonly specifier: string
  readonly typeOnly: boolean
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .filter((name) => statSync(join(root, name)).isFile())
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found: Import[] = []
  const pattern = /^(?:import|export)\s+(type\s+)?([^'";=()]*?)\s+from\s+['"]([^'"]+)['"]/gm
  for (const match of text.matchAll(pattern)) {
    const braces = /^\{([\s\S]*)\}$/.exec(match[2]!.trim())
    const allTypes =
      braces !== null &&
      braces[1]!
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '')
        .every((name) => name.startsWith('type '))
    found.push({ file, specifier: match[3]!, typeOnly: match[1] !== undefined || allTypes })
  }
  for (const match of text.matchAll(/^import\s+['"]([^'"]+)['"]/gm)) {
    found.push({ file, specifier: match[1]!, typeOnly: false })
  }
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ file, specifier: match[1]!, typeOnly: false })
  }
  return found
}

function roomOf(path: string): string {
  const parts = path.split('/')
  return parts[0] === 'src' ? `${parts[0]}/${parts[1]}` : parts[0]!
}

function violation(entry: Import): string | null {
  const from = roomOf(entry.file)
  const allowed = ROOMS[from]
  if (allowed === undefined) return `${entry.file}: room ${from} is not in the table`
  if (entry.specifier.startsWith('.')) {
    const target = relative(root, resolve(root, dirname(entry.file), entry.specifier))
    const to = roomOf(target)
    if (to === from || allowed.includes('*') || allowed.includes(to) || allowed.includes(target))
      return null
    if (entry.typeOnly && allowed.includes(`type:${to}`)) return null
    return `${entry.file} imports ${target}`
  }
  if (entry.specifier.startsWith('node:')) return null
  const name = entry.specifier
    .split('/')
    .slice(0, entry.specifier.startsWith('@') ? 2 : 1)
    .join('/')
  const rooms = Object.hasOwn(PACKAGE_ROOMS, name) ? PACKAGE_ROOMS[name] : undefined
  if (rooms === undefined) return `${entry.file} imports ${name}, which no room owns`
  if (rooms.includes(from) || entry.typeOnly) return null
  return `${entry.file} imports ${name}, which belongs to ${rooms.join(', ')}`
}

const files = ['src', 'plugins', 'certs'].flatMap(sourceFiles)

test('every import follows the room table', () => {
  expect(files.length).toBeGreaterThan(50)
  expect(files.flatMap(importsOf).map(violation).filter(Boolean)).toEqual([])
})

test('the table itself would notice a wrong import', () => {
  const bad = (file: string, specifier: string, typeOnly = false): string | null =>
    violation({ file, specifier, typeOnly })
  expect(bad('src/proxy/http.ts', '../config/problems.ts')).not.toBeNull()
  expect(bad('src/routing/route.ts', '../http/request.ts')).not.toBeNull()
  expect(bad('src/routing/route.ts', '../http/request.ts', true)).toBeNull()
  expect(bad('src/proxy/http.ts', 'ioredis')).not.toBeNull()
})

test('no source file is longer than 400 lines without a reason', () => {
  const long = files
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length }))
    .filter((entry) => entry.lines > MAX_LINES && LONG_FILES[entry.file] === undefined)
  expect(long).toEqual([])
})

/** Rooms that make objects for each connection or request. */
const HOT_ROOMS = ['http', 'listeners', 'proxy', 'routing', 'filters', 'clusters', 'upstream']
const ASSIGNED_CLOSURE = /^.*[\w)\]]\.#?\w+ = (async )?(\([^()]*\)|\w+)(: [^=]+)? =>/gm

/** The engine makes those among the old objects, where they keep all they reach (docs/adr/0001). */
test('no closure is assigned to a property where it is written', () => {
  const found = HOT_ROOMS.flatMap((room) => sourceFiles(`src/${room}`)).flatMap((file) => {
    const lines = readFileSync(join(root, file), 'utf8').match(ASSIGNED_CLOSURE) ?? []
    return lines.map((line) => `${file}: ${line.trim()}`)
  })
  expect(found).toEqual([])
  expect('    this.#onError = (error) => this.#fail(error)').toMatch(ASSIGNED_CLOSURE)
})
