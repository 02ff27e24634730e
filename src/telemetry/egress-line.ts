import { isIP } from 'node:net'
import { howToShow } from '../base/hidden-by.ts'
import { fromBytes } from '../base/latin1.ts'
import type { EgressKind, EgressRecord, EgressVerdict } from '../proxy/egress-record.ts'

/** A longer host, method or name is cut: what clients send must not make lines grow. */
const MAX_HOST = 255
const MAX_METHOD = 32
const MAX_NAME = 512

/** One decision as the ledger and the admin API show it. Field names are stable. */
export interface EgressLine {
  /** ISO 8601, when the client asked. */
  readonly time: string
  readonly verdict: EgressVerdict
  /** `namespace/name`, a SPIFFE id or a user; '' when nothing tells who it is. */
  readonly client: string
  readonly clientBy: string
  readonly clientNamespace: string
  readonly serviceAccount: string
  readonly clientAddress: string
  readonly kind: EgressKind
  readonly method: string
  readonly host: string
  readonly port: number
  /** `address:port` reached or tried, or ''. */
  readonly resolved: string
  readonly policy: string
  /** `ServiceEntry shop/api`, or ''. */
  readonly rule: string
  /** `egress.yaml:12`, or ''. */
  readonly ruleAt: string
  /** `namespace/host` of the declaration, a wildcard maybe; '' when nobody declares the host. */
  readonly declaredAs: string
  /** The Sidecar that hides the host from the client, or ''. */
  readonly hiddenBy: string
  readonly cluster: string
  readonly bytesFromClient: number
  readonly bytesToClient: number
  readonly durationMs: number
  readonly status: number
  readonly flags: string
  readonly details: string
}

/** Copies what is kept of a record. No path, no query, no user info: they may hold secrets. */
export function egressLine(record: EgressRecord): EgressLine {
  const { client, rule, declaration } = record
  return {
    time: new Date(record.startedAtMs).toISOString(),
    verdict: record.verdict,
    client: cut(client.id, MAX_NAME),
    clientBy: client.by,
    clientNamespace: cut(client.namespace, MAX_NAME),
    serviceAccount: cut(client.serviceAccount, MAX_NAME),
    clientAddress: record.clientAddress,
    kind: record.kind,
    method: cut(record.method, MAX_METHOD),
    host: shownHost(record.askedHost),
    port: record.askedPort,
    resolved: cut(record.upstreamHost, MAX_NAME),
    policy: record.policy,
    rule: rule === null ? '' : cut(ruleName(rule), MAX_NAME),
    ruleAt: rule === null || rule.file === null ? '' : cut(place(rule.file, rule.line), MAX_NAME),
    declaredAs: declaration === null ? '' : `${declaration.namespace}/${declaration.host}`,
    hiddenBy: cut(record.hiddenBy, MAX_NAME),
    cluster: cut(record.clusterName, MAX_NAME),
    bytesFromClient: record.bytesReceived,
    bytesToClient: record.bytesSent,
    durationMs: Math.round(record.durationMs),
    status: record.status,
    flags: record.flags,
    details: cut(record.details, MAX_NAME),
  }
}

/** What stands before an `@` is user info, which no host has. */
function shownHost(bytes: string): string {
  const text = fromBytes(bytes)
  return cut(text.slice(text.lastIndexOf('@') + 1), MAX_HOST)
}

function ruleName(rule: NonNullable<EgressRecord['rule']>): string {
  const { kind, namespace, name, path } = rule
  return name === '' ? `${kind} ${path}` : `${kind} ${namespace}/${name} ${path}`
}

function place(file: string, line: number | null): string {
  return line === null ? file : `${file}:${line}`
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}

/** What would let a refused client pass, by the details of the refusal, where those say it. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  [
    'egress_client_unknown',
    'a Pod with this address in the sources, credentials, or --egress-unknown-clients allow',
  ],
  ['egress_tunnel_limit', 'a higher --limit egress-tunnels-per-client'],
  ['egress_port_refused', 'a ServiceEntry with the host and port, or --limit egress-connect-ports'],
  ['egress_server_name_refused', 'the TLS server name as host of the same ServiceEntry'],
  ['egress_loop', 'nothing: it came from this proxy'],
  ['upgrade_failed', 'nothing: only WebSocket upgrades are served'],
  ['path_normalization_redirect', 'the path without escaped slashes, as the answer says'],
  ['route_not_found', 'a VirtualService rule for the host that matches the request'],
])

/** What would let a refused client pass, for people. */
export function remedy(line: EgressLine): string {
  const { host, port, hiddenBy, verdict } = line
  const known = REMEDIES.get(line.details)
  if (known !== undefined) return known
  if (verdict === 'guarded') {
    return `a ServiceEntry with ${host}, or --egress-allow for the address range`
  }
  if (hiddenBy !== '') return howToShow(hiddenBy, host)
  const what = isIP(host) === 0 ? 'host' : 'address'
  return `a ServiceEntry with ${what} ${host} and port ${port} (tidegate egress learn writes it)`
}
