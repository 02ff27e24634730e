import type { ClusterPlan } from '../clusters/plan.ts'
import type { DownstreamConnection } from '../http/exchange.ts'
import { Headers } from '../http/headers.ts'
import { Request } from '../http/request.ts'
import type { ExchangeRecord } from './exchange-record.ts'

/** What there is to say of a request where there is none. */
const NO_REQUEST = new Request({
  protocol: 'HTTP/1.1',
  method: '',
  scheme: 'http',
  authority: '',
  path: '',
  query: '',
  headers: new Headers(),
  bodyLength: 0,
  upgrade: null,
  expectsContinue: false,
  absoluteForm: false,
})

/** Bytes of all connections with the same labels; a connection adds to them as bytes pass. */
export interface TcpByteCounters {
  /** From clients. */
  receivedBytes: number
  /** To clients. */
  sentBytes: number
}

/** Told of every connection of a TCP server (or a TLS server that passes bytes through). */
export interface TcpObserver {
  /** There is an upstream: the bytes that pass from here on go to the counters returned. */
  onTcpOpen(record: ExchangeRecord): TcpByteCounters
  /** Once for every connection, also one that never had an upstream (`opened` false). */
  onTcpEnd(record: ExchangeRecord, opened: boolean): void
}

/** One spliced connection as telemetry sees it: the fields of an exchange that it has. */
export class TcpRecord implements ExchangeRecord {
  readonly direction = 'ingress'
  readonly connection: DownstreamConnection
  readonly request = NO_REQUEST
  readonly originalPath = ''
  readonly originalAuthority = ''
  readonly requestId = ''
  readonly forwardedFor = null
  readonly startedAtMs: number
  readonly startedMonotonicMs: number
  endedMonotonicMs: number
  readonly upstreamServiceTimeMs = -1
  readonly status = 0
  flags: string
  readonly details = ''
  transportFailure: string
  bytesReceived: number
  bytesSent: number
  readonly responseHeaders = null
  upstreamHost: string
  upstreamLocal: string
  readonly cluster: ClusterPlan | null
  readonly clusterName: string
  readonly routeName = ''
  readonly grpcStatus = ''
  readonly destinationHost = ''

  constructor(
    connection: DownstreamConnection,
    clusterName: string,
    cluster: ClusterPlan | null,
    startedMonotonicMs: number,
  ) {
    this.connection = connection
    this.startedAtMs = Date.now()
    this.startedMonotonicMs = startedMonotonicMs
    this.endedMonotonicMs = startedMonotonicMs
    this.flags = '-'
    this.transportFailure = ''
    this.bytesReceived = 0
    this.bytesSent = 0
    this.upstreamHost = ''
    this.upstreamLocal = ''
    this.cluster = cluster
    this.clusterName = clusterName
  }

  get clientAddress(): string {
    return this.connection.remoteAddress
  }
}
