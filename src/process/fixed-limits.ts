import { MAX_DELAYED } from '../../plugins/fault/filter.ts'
import { MAX_DOCUMENT_BYTES } from '../../plugins/jwt/jwks-fetch.ts'
import { MAX_TOKEN_CHARS } from '../../plugins/jwt/token.ts'
import { MAX_CACHED_TOKENS } from '../../plugins/jwt/token-cache.ts'
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
import { MAX_PAGES, MAX_SPARE_PAGES } from '../http/write-page.ts'
import { MAX_REMEMBERED } from '../http/field-block.ts'
import { MAX_HELD_BYTES } from '../http/input-gate.ts'
import { LOOK_EVERY_MS } from '../http/paused-reads.ts'
import { MAX_SHARED_HEADS } from '../http/repeated-head.ts'
import { MAX_EMPTY_LINES } from '../http/request-reader.ts'
import { PROXY_HEADER_TIMEOUT_MS } from '../listeners/proxy-protocol.ts'
import { MAX_V2_PAYLOAD_BYTES } from '../listeners/proxy-protocol-header.ts'
import { MAX_CACHED_ANSWERS } from '../dns/answer-cache.ts'
import { MAX_TCP_CONNECTIONS, MAX_CONNECTION_MS } from '../dns/dns-server.ts'
import { MAX_FORWARDS, MAX_KEPT_BYTES } from '../dns/forwarder.ts'
import { MAX_PAYLOAD_BYTES } from '../dns/message.ts'
import { BACKLOG, KEEP_ALIVE_DELAY_MS } from '../listeners/socket-server.ts'
import { DEFAULT_SHADOW_TIMEOUT_MS, MAX_ANSWER_BYTES } from '../proxy/mirror-attempt.ts'
import { MAX_BACKLOG_BYTES } from '../proxy/mirror-backlog.ts'
import { MAX_SHADOW_BYTES, MAX_SHADOWS } from '../proxy/mirrors.ts'
import { MAX_EARLY_BYTES } from '../proxy/tcp.ts'
import { MAX_VIA_HOPS } from '../proxy/via.ts'
import { MAX_INPUT_LENGTH } from '../routing/linear-regex.ts'
import { MAX_VALUE_LENGTH } from '../telemetry/log-value.ts'
import { MAX_BUFFERED } from '../telemetry/log-writer.ts'
import { MAX_SERIES } from '../telemetry/request-series.ts'
import { MAX_CLIENT_HELLO_BYTES, MAX_RECORDS, MAX_ALPN_NAMES } from '../tls/client-hello.ts'
import { DEFAULT_MAX_PENDING_REQUESTS } from '../upstream/connection-budget.ts'
import { MAX_IDLE_CONNECTIONS } from '../upstream/exclusive-pool.ts'
import {
  MAX_ADDRESSES,
  MAX_CACHED_NAMES,
  MAX_LOOKUPS,
  QUERY_TIMEOUT_MS,
} from '../upstream/resolver.ts'
import { MAX_HOSTS_PER_ENDPOINT } from '../clusters/endpoint-pools.ts'
import { MAX_PROBES } from '../clusters/health/probe-slots.ts'
import { MAX_RING_POINTS } from '../clusters/lb/ring-hash.ts'
import { MAX_AUTO_ADDRESSES } from '../dns/auto-addresses.ts'
import { MAX_WHOLE_ANSWER_BYTES } from '../http/fastify-relay.ts'
import { FLOOD_MEMORY_MS, MAX_CLIENTS } from '../http/h2-flood-memory.ts'
import { MAX_PROBATION_BYTES, PROBATION_MS } from '../http/h2-probation.ts'
import { MAX_EARLY_BUFFERS, MAX_OWN_BUFFERS, MAX_SPARE_BUFFERS } from '../http/read-buffers.ts'
import { KEPT_HANDSHAKES } from '../listeners/failed-handshakes.ts'
import { MAX_CREDENTIALS_LENGTH } from '../proxy/egress-client.ts'
import { MAX_HOPS, MAX_REQUEST_ID_LENGTH } from '../proxy/forwarded-headers.ts'
import {
  MAX_REPLAY_BYTES,
  MAX_REPLAY_BYTES_IN_ALL,
  MAX_KEPT_CHUNKS,
  MAX_REFUSED_REPLAY_BYTES,
} from '../proxy/replay-budget.ts'
import { MAX_STALE_CONNECTIONS } from '../proxy/retry.ts'
import { MAX_WAITING as MAX_WAITING_DECISIONS } from '../telemetry/egress-ledger.ts'
import {
  MAX_PER_MINUTE as MAX_NOTICES_PER_MINUTE,
  MAX_PAIRS as MAX_NOTICED_PAIRS,
} from '../telemetry/egress-notices.ts'
import { MAX_SERIES as MAX_EGRESS_SERIES } from '../telemetry/egress-stats.ts'
import { MAX_PAIRS as MAX_COUNTED_PAIRS } from '../telemetry/egress-top.ts'
import { MAX_CHAIN_CERTIFICATES } from '../tls/client-certificate.ts'
import { MAX_KEPT as MAX_KEPT_CONTEXTS } from '../tls/server-context.ts'
import { MAX_BYTES as MAX_LAST_WORDS_BYTES } from '../upstream/last-words.ts'
import { MAX_ANSWER_BYTES as MAX_PROBE_ANSWER_BYTES } from '../upstream/probe.ts'
import { MAX_FILE_BYTES as MAX_HOSTS_FILE_BYTES } from '../upstream/hosts-file.ts'

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
  fixed('client-hello-protocols', MAX_ALPN_NAMES, 'Protocol names of a ClientHello that are read.'),
  fixed(
    'client-chain-certificates',
    MAX_CHAIN_CERTIFICATES,
    'Certificates behind a client certificate that are passed on.',
  ),
  fixed('failed-handshakes', KEPT_HANDSHAKES, 'Failed TLS handshakes that /certs remembers.'),
  fixed(
    'tls-contexts',
    MAX_KEPT_CONTEXTS,
    'Certificates whose last good version is kept, and TLS contexts that are shared.',
  ),
  fixed('pipelined-bytes', MAX_HELD_BYTES, 'What is read ahead while a request is under way.'),
  fixed(
    'held-back-check',
    durationText(LOOK_EVERY_MS),
    'How often clients whose bytes have no place are looked at: has one reset its connection?',
  ),
  fixed(
    'remembered-head',
    MAX_REMEMBERED,
    'Characters of the longest head that a connection remembers, in case the next one repeats it.',
  ),
  fixed(
    'shared-heads',
    MAX_SHARED_HEADS,
    'Heads that the connections of one listener, or to one backend, may find at one another.',
  ),
  fixed(
    'early-tcp-bytes',
    MAX_EARLY_BYTES,
    'What a TCP client may say before it has an upstream; then it is held back.',
  ),
  fixed('leading-empty-lines', MAX_EMPTY_LINES, 'Empty lines before a request line.'),
  fixed('host-length', MAX_HOST_LENGTH, 'Characters of a host name.'),
  fixed('content-length-digits', MAX_LENGTH_DIGITS, 'Digits of a Content-Length.'),
  fixed('chunk-size-digits', MAX_SIZE_DIGITS, 'Hexadecimal digits of a chunk size.'),
  fixed('connection-options', MAX_CONNECTION_TOKENS, 'Names in the Connection fields.'),
  fixed('forwarded-hops', MAX_HOPS, 'Entries of x-forwarded-for that are looked at.'),
  fixed(
    'request-id-length',
    MAX_REQUEST_ID_LENGTH,
    'Characters of an x-request-id of a trusted proxy; a longer one is replaced.',
  ),
  fixed(
    'h2-flood-memory',
    durationText(FLOOD_MEMORY_MS),
    'How long a client whose HTTP/2 connection was ended for a flood has smaller budgets.',
  ),
  fixed('h2-flood-memory-clients', MAX_CLIENTS, 'Clients remembered for that at one time.'),
  fixed(
    'h2-probation',
    durationText(PROBATION_MS),
    'How long a connection of such a client may come without a request before its session begins.',
  ),
  fixed(
    'h2-probation-bytes',
    MAX_PROBATION_BYTES,
    'Bytes without the head of a request that are read in that time.',
  ),
  fixed(
    'read-buffers',
    MAX_OWN_BUFFERS,
    'Streaming sockets with a read buffer of 80 KiB of their own; others share one.',
  ),
  fixed('early-read-buffers', MAX_EARLY_BUFFERS, 'Those of them that have not read anything yet.'),
  fixed('spare-read-buffers', MAX_SPARE_BUFFERS, 'Such buffers kept for the next socket.'),
  fixed(
    'write-pages',
    MAX_PAGES,
    'Pages of 32 KiB in which messages wait until they are written; then they wait as text.',
  ),
  fixed('spare-write-pages', MAX_SPARE_PAGES, 'Such pages kept for the next messages.'),
  fixed(
    'plugin-whole-answer-bytes',
    MAX_WHOLE_ANSWER_BYTES,
    'Answers of a known length that onSend hooks get as one Buffer; longer ones are streams.',
  ),
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
  fixed(
    'upstream-hosts-per-endpoint',
    MAX_HOSTS_PER_ENDPOINT,
    'Server names (or clients, with PROXY headers) one endpoint keeps connections for.',
  ),
  fixed(
    'upstream-last-words-bytes',
    MAX_LAST_WORDS_BYTES,
    'What is still read of an upstream that reset its connection.',
  ),
  fixed('ring-points', MAX_RING_POINTS, 'Points of a consistent hash ring.'),
  fixed('health-checks', MAX_PROBES, 'Health checks that run at one time.'),
  fixed('health-check-answer-bytes', MAX_PROBE_ANSWER_BYTES, 'An answer to a gRPC health check.'),
  fixed(
    'retry-kept-bytes',
    MAX_REPLAY_BYTES,
    'A request body kept for a retry; a longer one is sent once.',
  ),
  fixed('retry-kept-bytes-total', MAX_REPLAY_BYTES_IN_ALL, 'The same for all requests together.'),
  fixed('retry-kept-chunks', MAX_KEPT_CHUNKS, 'Pieces of one such body.'),
  fixed(
    'retry-refused-bytes',
    MAX_REFUSED_REPLAY_BYTES,
    'A body kept only for the case that an HTTP/2 upstream refuses the stream unseen.',
  ),
  fixed(
    'stale-connections',
    MAX_STALE_CONNECTIONS,
    'Kept connections, closed by the upstream just then, that one request tries.',
  ),
  fixed('upstream-addresses-tried', MAX_ADDRESSES_TRIED, 'Addresses of a name one attempt tries.'),
  fixed('passthrough-addresses', MAX_ENDPOINTS, 'Addresses PassthroughCluster knows at one time.'),
  fixed('egress-via-hops', MAX_VIA_HOPS, 'Proxies a request to the egress proxy may have passed.'),
  fixed(
    'egress-credentials-length',
    MAX_CREDENTIALS_LENGTH,
    'Characters of Proxy-Authorization at the egress proxy.',
  ),
  fixed('egress-ledger-waiting', MAX_WAITING_DECISIONS, 'Ledger lines that wait to be written.'),
  fixed('egress-notices', MAX_NOTICES_PER_MINUTE, 'Log lines a minute about refused egress.'),
  fixed('egress-notice-pairs', MAX_NOTICED_PAIRS, 'Clients and hosts remembered for them.'),
  fixed('egress-series', MAX_EGRESS_SERIES, 'Label sets of egress metrics.'),
  fixed('egress-top-pairs', MAX_COUNTED_PAIRS, 'Clients and hosts that the egress view counts.'),
  fixed('dns-timeout', durationText(QUERY_TIMEOUT_MS), 'One query to one name server.'),
  fixed('dns-lookups', MAX_LOOKUPS, 'Names being looked up at one time.'),
  fixed('dns-cached-names', MAX_CACHED_NAMES, 'Answers that are kept.'),
  fixed('dns-addresses', MAX_ADDRESSES, 'Addresses of one answer.'),
  fixed('hosts-file-bytes', MAX_HOSTS_FILE_BYTES, 'A hosts file that is read.'),
  fixed('dns-server-connections', MAX_TCP_CONNECTIONS, 'TCP connections of --dns.'),
  fixed('dns-server-connection-time', durationText(MAX_CONNECTION_MS), 'One of them, in all.'),
  fixed('dns-server-forwards', MAX_FORWARDS, 'Questions to --dns that are being asked on.'),
  fixed('dns-server-cached-answers', MAX_CACHED_ANSWERS, 'Answers that --dns keeps.'),
  fixed('dns-server-cached-bytes', MAX_KEPT_BYTES, 'One of them; a longer one is asked for again.'),
  fixed('dns-auto-addresses', MAX_AUTO_ADDRESSES, 'Hosts that --dns makes up addresses for.'),
  fixed('dns-server-udp-bytes', MAX_PAYLOAD_BYTES, 'An answer of --dns by UDP.'),
  fixed('delayed-requests', MAX_DELAYED, 'Requests that injected faults delay at one time.'),
  fixed('jwt-length', MAX_TOKEN_CHARS, 'Characters of a token that is looked at.'),
  fixed('jwt-cached-tokens', MAX_CACHED_TOKENS, 'Verified tokens remembered for each rule.'),
  fixed('jwks-bytes', MAX_DOCUMENT_BYTES, 'Keys of tokens that are fetched.'),
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
