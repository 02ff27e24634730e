import { MAX_DELAYED } from '../../plugins/fault/filter.ts'
import { MAX_BODY_BYTES, MAX_CONNECTIONS, REQUEST_TIMEOUT_MS } from '../admin/http-server.ts'
import type { FixedLimit } from '../admin/admin-state.ts'
import { MAX_ADDRESSES_TRIED } from '../clusters/address-race.ts'
import { MAX_ENDPOINTS } from '../clusters/passthrough-cluster.ts'
import { durationText } from '../compile/limits/limit-text.ts'
import { MAX_HOST_LENGTH } from '../http/authority.ts'
import { MAX_SIZE_DIGITS } from '../http/chunked-decoder.ts'
import { MAX_CONNECTION_TOKENS } from '../http/connection-options.ts'
import { MAX_KEPT_BODY_BYTES } from '../http/fastify-body.ts'
import { MAX_LENGTH_DIGITS } from '../http/framing.ts'
import { MAX_HELD_BYTES } from '../http/input-gate.ts'
import { MAX_EMPTY_LINES } from '../http/request-reader.ts'
import { HANDSHAKES_PER_TURN } from '../listeners/handshake-queue.ts'
import { PROXY_HEADER_TIMEOUT_MS } from '../listeners/proxy-protocol.ts'
import { MAX_V2_PAYLOAD_BYTES } from '../listeners/proxy-protocol-header.ts'
import { MAX_CACHED_ANSWERS } from '../dns/answer-cache.ts'
import { MAX_TCP_CONNECTIONS } from '../dns/dns-server.ts'
import { MAX_FORWARDS } from '../dns/forwarder.ts'
import { MAX_PAYLOAD_BYTES } from '../dns/message.ts'
import { BACKLOG, KEEP_ALIVE_DELAY_MS } from '../listeners/socket-server.ts'
import { DEFAULT_SHADOW_TIMEOUT_MS, MAX_ANSWER_BYTES } from '../proxy/mirror-attempt.ts'
import { MAX_BACKLOG_BYTES } from '../proxy/mirror-backlog.ts'
import { MAX_SHADOW_BYTES, MAX_SHADOWS } from '../proxy/mirrors.ts'
import { MAX_VIA_HOPS } from '../proxy/via.ts'
import { MAX_INPUT_LENGTH } from '../routing/linear-regex.ts'
import { MAX_VALUE_LENGTH } from '../telemetry/log-value.ts'
import { MAX_BUFFERED } from '../telemetry/log-writer.ts'
import { MAX_SERIES } from '../telemetry/request-series.ts'
import { MAX_CLIENT_HELLO_BYTES, MAX_RECORDS } from '../tls/client-hello.ts'
import { DEFAULT_MAX_PENDING_REQUESTS } from '../upstream/connection-budget.ts'
import { MAX_IDLE_CONNECTIONS } from '../upstream/exclusive-pool.ts'
import {
  MAX_ADDRESSES,
  MAX_CACHED_NAMES,
  MAX_LOOKUPS,
  QUERY_TIMEOUT_MS,
} from '../upstream/resolver.ts'

function fixed(name: string, value: number | string, meaning: string): FixedLimit {
  return { name, value, meaning }
}

/** Limits that protect the process and that nobody has a reason to move. */
export const FIXED_LIMITS: readonly FixedLimit[] = [
  fixed('listen-backlog', BACKLOG, 'Connections the kernel holds until they are accepted.'),
  fixed(
    'tcp-keep-alive',
    durationText(KEEP_ALIVE_DELAY_MS),
    'Silence of an accepted connection before TCP asks whether the client is there.',
  ),
  fixed(
    'proxy-header-timeout',
    durationText(PROXY_HEADER_TIMEOUT_MS),
    'Until the PROXY header of a connection is complete.',
  ),
  fixed('proxy-header-bytes', MAX_V2_PAYLOAD_BYTES, 'Addresses and extras of a PROXY header.'),
  fixed('client-hello-bytes', MAX_CLIENT_HELLO_BYTES, 'A TLS ClientHello.'),
  fixed('client-hello-records', MAX_RECORDS, 'TLS records one ClientHello may come in.'),
  fixed('handshakes-per-turn', HANDSHAKES_PER_TURN, 'TLS handshakes begun between two requests.'),
  fixed('pipelined-bytes', MAX_HELD_BYTES, 'What is read ahead while a request is under way.'),
  fixed('leading-empty-lines', MAX_EMPTY_LINES, 'Empty lines before a request line.'),
  fixed('host-length', MAX_HOST_LENGTH, 'Characters of a host name.'),
  fixed('content-length-digits', MAX_LENGTH_DIGITS, 'Digits of a Content-Length.'),
  fixed('chunk-size-digits', MAX_SIZE_DIGITS, 'Hexadecimal digits of a chunk size.'),
  fixed('connection-options', MAX_CONNECTION_TOKENS, 'Names in the Connection fields.'),
  fixed(
    'plugin-body-bytes',
    MAX_KEPT_BODY_BYTES,
    'Most of a body that a plugin may read before the request goes upstream.',
  ),
  fixed('regex-input', MAX_INPUT_LENGTH, 'Bytes of a value that a regex is matched against.'),
  fixed(
    'upstream-pending-requests',
    DEFAULT_MAX_PENDING_REQUESTS,
    'Requests of one host that wait for a connection; DestinationRule http1MaxPendingRequests sets another number.',
  ),
  fixed(
    'upstream-idle-connections',
    MAX_IDLE_CONNECTIONS,
    'HTTP/1.1 connections kept open to one endpoint without a request.',
  ),
  fixed('upstream-addresses-tried', MAX_ADDRESSES_TRIED, 'Addresses of a name one attempt tries.'),
  fixed('passthrough-addresses', MAX_ENDPOINTS, 'Addresses PassthroughCluster knows at one time.'),
  fixed('egress-via-hops', MAX_VIA_HOPS, 'Proxies a request to the egress proxy may have passed.'),
  fixed('dns-timeout', durationText(QUERY_TIMEOUT_MS), 'One query to one name server.'),
  fixed('dns-lookups', MAX_LOOKUPS, 'Names being looked up at one time.'),
  fixed('dns-cached-names', MAX_CACHED_NAMES, 'Answers that are kept.'),
  fixed('dns-addresses', MAX_ADDRESSES, 'Addresses of one answer.'),
  fixed('dns-server-connections', MAX_TCP_CONNECTIONS, 'TCP connections of --dns.'),
  fixed('dns-server-forwards', MAX_FORWARDS, 'Questions to --dns that are being asked on.'),
  fixed('dns-server-cached-answers', MAX_CACHED_ANSWERS, 'Answers that --dns keeps.'),
  fixed('dns-server-udp-bytes', MAX_PAYLOAD_BYTES, 'An answer of --dns by UDP.'),
  fixed('delayed-requests', MAX_DELAYED, 'Requests that injected faults delay at one time.'),
  fixed('mirror-requests', MAX_SHADOWS, 'Mirrored requests under way at one time.'),
  fixed('mirror-held-bytes', MAX_BACKLOG_BYTES, 'Body held back for one slow mirrored request.'),
  fixed('mirror-held-bytes-total', MAX_SHADOW_BYTES, 'The same for all of them together.'),
  fixed(
    'mirror-answer-bytes',
    MAX_ANSWER_BYTES,
    'What is read of an answer to a mirrored request.',
  ),
  fixed(
    'mirror-timeout',
    durationText(DEFAULT_SHADOW_TIMEOUT_MS),
    'A mirrored request, from its end to the end of its answer, where the route has no timeout.',
  ),
  fixed('metric-series', MAX_SERIES, 'Label sets of request metrics.'),
  fixed('log-value-bytes', MAX_VALUE_LENGTH, 'One value in the access log; the rest is cut.'),
  fixed('log-buffer', MAX_BUFFERED, 'Characters of the access log that wait to be written.'),
  fixed('admin-connections', MAX_CONNECTIONS, 'Connections of the admin or the status port.'),
  fixed('admin-body-bytes', MAX_BODY_BYTES, 'A request body there.'),
  fixed('admin-request-timeout', durationText(REQUEST_TIMEOUT_MS), 'A request there.'),
]
