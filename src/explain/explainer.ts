import { isIP } from 'node:net'
import { isGrpcContentType } from '../proxy/grpc-content-type.ts'
import { grpcStatusOf } from '../proxy/grpc-status.ts'
import { withDefaultExports } from '../compile/default-exports.ts'
import { orderedSet } from '../compile/ordering.ts'
import { CallProblem, checkCall, type CallUrl, type ExplainCall, parseCallUrl } from './call.ts'
import { ClusterView } from './cluster-view.ts'
import type { ExplainContext, ExplainSource } from './context.ts'
import type { Trace } from './decided.ts'
import { EgressExplainer } from './egress-explainer.ts'
import { Elsewhere } from './elsewhere.ts'
import type { ExplainedOutcome, Explanation } from './explanation.ts'
import { GatewayExplainer } from './gateway-explainer.ts'
import { writtenServers } from './gateway-servers.ts'
import { relatedProblems } from './related-problems.ts'

/**
 * Says why a request goes where it goes: the compiled tables and the decisions of the data path,
 * asked without sockets. Pure, but for the health of endpoints where a gateway runs.
 */
export class Explainer {
  readonly #context: ExplainContext

  constructor(source: ExplainSource) {
    const { mesh } = source.settings
    const set = source.set === null ? null : withDefaultExports(orderedSet(source.set), mesh)
    this.#context = {
      source,
      servers: set === null ? [] : writtenServers(set),
      elsewhere: set === null ? null : new Elsewhere(set, source.settings),
      clusters: new ClusterView(set, source.settings),
    }
  }

  explain(call: ExplainCall): Explanation | CallProblem {
    const traced = this.trace(call)
    return traced instanceof CallProblem ? traced : traced.explanation
  }

  /** An explanation with the compiled route that decided: what a test of routes compares. */
  trace(call: ExplainCall): Trace | CallProblem {
    const wrong = checkCall(call)
    if (wrong !== null) return wrong
    const url = callUrl(call)
    if (url instanceof CallProblem) return url
    const peer = this.#peerAddress(call.from)
    if (peer instanceof CallProblem) return peer
    const found = call.egress
      ? new EgressExplainer(this.#context).explain(call, url, peer)
      : new GatewayExplainer(this.#context).explain(call, url, peer)
    const { snapshot, problems, live } = this.#context.source
    const { request, outcome, decided, ...parts } = found
    const explanation = {
      generation: snapshot.generation,
      live,
      request,
      outcome: withGrpc(outcome, call),
      ...parts,
      problems: relatedProblems(found, problems),
    }
    return { explanation, decided }
  }

  #peerAddress(from: string | null): string | CallProblem {
    if (from === null) return ANYBODY
    if (isIP(from) !== 0) return from
    const [namespace, name] = from.split('/')
    const pod = this.#context.source.set?.pods.find(
      ({ metadata }) => metadata.namespace === namespace && metadata.name === name,
    )
    const address = pod?.spec.status?.podIP
    if (address !== undefined && address !== '') return address
    const hint = 'give NAMESPACE/POD of a Pod in the configuration, or an IP address'
    const what = pod === undefined ? `there is no Pod ${from}` : `Pod ${from} has no podIP`
    return new CallProblem(what, hint)
  }
}

/** The client where none is named. */
const ANYBODY = '127.0.0.1'

/** `CONNECT host:port` is no URL. */
function callUrl(call: ExplainCall): CallUrl | CallProblem {
  const bare = call.method === 'CONNECT' && !call.url.includes('://')
  return parseCallUrl(bare ? `https://${call.url}` : call.url)
}

/** A gRPC client sees the gateway's own answers as HTTP 200 with a grpc-status. */
function withGrpc(outcome: ExplainedOutcome, call: ExplainCall): ExplainedOutcome {
  const type = call.headers.find(([name]) => name.toLowerCase() === 'content-type')
  if (outcome.status === null || !isGrpcContentType(type?.[1] ?? null)) return outcome
  // What the wire refuses is answered before anybody looks at the content type.
  if (outcome.flag === 'DPE') return outcome
  const hint = `the gRPC client gets HTTP 200 with grpc-status ${grpcStatusOf(outcome.status)}`
  return { ...outcome, hints: [...outcome.hints, hint] }
}
