import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import type { TemporaryFolder } from './folder.ts'

const MEBIBYTE = 1024 * 1024

function resource(kind: string, spec: string, metadata = 'name: x'): string {
  return `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: { ${metadata} }\nspec: ${spec}\n`
}

function configMap(key: string, text: string, name = 'istio'): string {
  const body = text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, namespace: istio-system }\ndata:\n  ${key}: |\n${body}\n`
}

/** Ten references of ten references, nine levels deep: a gigabyte if anybody wrote it out. */
function bomb(): string {
  const lines = ['a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]']
  for (let level = 1; level < 9; level++) {
    const refs = Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')
    lines.push(`a${level}: &a${level} [${refs}]`)
  }
  return lines.join('\n')
}

function junk(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  let state = 1
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    buffer[at] = state >>> 16
  }
  return buffer
}

function nestedMaps(depth: number): string {
  return Array.from({ length: depth }, (_, level) => `${' '.repeat(level)}a:`).join('\n')
}

const RATE_LIMIT_FILTER = resource(
  'EnvoyFilter',
  '{ configPatches: [{ applyTo: HTTP_FILTER, match: { context: GATEWAY }, patch: { operation: INSERT_FIRST, value: { name: envoy.filters.http.ratelimit, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit, domain: x } } } }] }',
  'name: bomb, namespace: istio-system',
)

const METADATA = 'metadata: { name: x }'

/** Name of the file -> what is in it. Each is wrong or odd in a way of its own. */
export const NASTY_FILES: Readonly<Record<string, () => string | Buffer>> = {
  'empty.yaml': () => '',
  'separators.yaml': () => '\n---\n---\n...\n---\n',
  'comment.yaml': () => '# nothing\n',
  'junk.yaml': () => junk(64 * 1024),
  'junk.json': () => junk(1024),
  'nul.yaml': () => `kind: Gateway\u0000\napiVersion: "\u0000"\n${METADATA}\n`,
  'utf16.yaml': () => Buffer.from('\ufeffkind: Gateway\n', 'utf16le'),
  'latin1.yaml': () => Buffer.from('kind: G\u00e4teway\n', 'latin1'),
  'surrogate.yaml': () => 'kind: "\\ud800"\napiVersion: v1\n',
  'bomb.yaml': bomb,
  'bomb-in-resource.yaml': () => `${bomb()}\n${resource('Gateway', '{ servers: *a8 }')}`,
  'bomb-in-mesh.yaml': () => configMap('mesh', bomb()),
  'bomb-in-descriptors.yaml': () =>
    `${configMap('config.yaml', `domain: x\n${bomb()}`, 'limits')}---\n${RATE_LIMIT_FILTER}`,
  'cycle.yaml': () => `${resource('Gateway', '&s { servers: [*s] }')}`,
  'merge-cycle.yaml': () => 'a: &a\n  <<: *a\n  b: 1\n',
  'deep-list.yaml': () => '['.repeat(100_000),
  'deep-list-closed.yaml': () => '['.repeat(20_000) + ']'.repeat(20_000),
  'deep-map.yaml': () => nestedMaps(3000),
  'deep.json': () => '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000),
  'nested-list-kinds.json': () =>
    '{"apiVersion":"v1","kind":"List","items":['.repeat(3000) + ']}'.repeat(3000),
  'documents.yaml': () => '---\na: 1\n'.repeat(2000),
  'long-line.yaml': () => `kind: "${'x'.repeat(3 * MEBIBYTE)}"\n`,
  'large.yaml': () => Buffer.alloc(50 * MEBIBYTE, 'a: 1\n'),
  'scalar.yaml': () => 'just words\n',
  'list.yaml': () => '- 1\n- [2]\n- null\n',
  'numbers.yaml': () => '.inf: .nan\n1e999: 0x7f\n',
  'null-key.yaml': () => 'null: 1\n~: 2\n? [a, b]\n: 3\n',
  'tags.yaml': () => `kind: !!js/function "() => 1"\napiVersion: !!binary "AAAA"\n${METADATA}\n`,
  'tabs.yaml': () => 'kind: Gateway\n\tapiVersion: v1\n',
  'quote.yaml': () => 'kind: "Gateway\napiVersion: v1\n',
  'carriage-returns.yaml': () => 'kind: Gateway\rapiVersion: v1\r',
  'duplicate-keys.yaml': () => 'kind: Gateway\nkind: VirtualService\napiVersion: v1\n',
  'prototype.yaml': () =>
    `__proto__: { kind: Gateway }\nconstructor: { prototype: 1 }\n${resource('Gateway', '{ __proto__: { servers: 1 }, toString: 2 }', 'name: __proto__')}`,
  'no-kind.yaml': () => `apiVersion: networking.istio.io/v1\n${METADATA}\n`,
  'kind-is-a-map.yaml': () => `apiVersion: v1\nkind: { a: 1 }\n${METADATA}\n`,
  'metadata-is-a-list.yaml': () =>
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: [1]\nspec: {}\n',
  'name-is-a-number.yaml': () => resource('Gateway', '{ servers: [] }', 'name: 7, namespace: {}'),
  'name-with-escapes.yaml': () =>
    resource('Gateway', '{ servers: [], x: 1 }', 'name: "a\\e[31m\\nerror: forged"'),
  'spec-is-text.yaml': () => resource('VirtualService', 'all of it'),
  'spec-is-missing.yaml': () => `apiVersion: networking.istio.io/v1\nkind: Sidecar\n${METADATA}\n`,
  'wrong-types.yaml': () =>
    resource(
      'VirtualService',
      '{ hosts: { a: b }, gateways: 1, http: [[], 1, null, { route: text, match: 5, timeout: [1], retries: [], weight: {} }], tls: 0, tcp: { a: 1 } }',
    ),
  'wrong-numbers.yaml': () =>
    resource(
      'Gateway',
      '{ servers: [{ port: { number: 1e999, name: .nan, protocol: 5 }, hosts: [.inf, -1, null, "", " "] }, { port: { number: -0 } }] }',
    ),
  'wrong-rule.yaml': () =>
    resource(
      'DestinationRule',
      '{ host: [], subsets: { a: 1 }, trafficPolicy: { loadBalancer: [], connectionPool: 1, tls: SIMPLE, outlierDetection: { interval: -1s, maxEjectionPercent: 1e9 } } }',
    ),
  'wrong-entry.yaml': () =>
    resource(
      'ServiceEntry',
      '{ hosts: "*", ports: 80, resolution: 1, endpoints: [null, { address: 1, ports: [] }], addresses: [1, "999.1.1.1/99"] }',
    ),
  'regex.yaml': () =>
    resource(
      'VirtualService',
      `{ hosts: [a.test], http: [{ match: [{ uri: { regex: "(((((a{1000}){1000}){1000}" } }, { uri: { regex: "${'(a+)+'.repeat(2000)}" } }], route: [{ destination: { host: a } }] }] }`,
    ),
  'envoy-filter.yaml': () =>
    resource(
      'EnvoyFilter',
      '{ configPatches: [null, 1, [], { applyTo: [], match: 1, patch: { operation: {}, value: [1] } }, { applyTo: HTTP_FILTER, patch: { operation: INSERT_FIRST, value: { name: envoy.filters.http.ratelimit, typed_config: { "@type": 5, domain: {} } } } }] }',
    ),
  'secret.yaml': () =>
    `apiVersion: v1\nkind: Secret\n${METADATA}\ndata: { tls.crt: "%%%", tls.key: [1], cacert: 5 }\n`,
  'mesh.yaml': () => configMap('mesh', '{{{ not yaml'),
  'mesh-types.yaml': () =>
    configMap('mesh', 'outboundTrafficPolicy: 1\naccessLogFormat: {}\nproxyHttpPort: -1'),
}

/** Adds what is no ordinary file: folders, links, a pipe, a device. */
export function addNastyEntries(folder: TemporaryFolder): readonly string[] {
  mkdirSync(folder.join('folder.yaml'))
  mkdirSync(folder.join(`${'d/'.repeat(60)}end`), { recursive: true })
  symlinkSync('/nowhere/at/all', folder.join('dangling.yaml'))
  symlinkSync('loop-b.yaml', folder.join('loop-a.yaml'))
  symlinkSync('loop-a.yaml', folder.join('loop-b.yaml'))
  symlinkSync('/dev/zero', folder.join('zero.yaml'))
  symlinkSync('.', folder.join('self'))
  execFileSync('mkfifo', [folder.join('pipe.yaml')])
  return ['dangling.yaml', 'loop-a.yaml', 'zero.yaml', 'pipe.yaml']
}
