import { formatPath } from '../config/problems.ts'
import { refOf } from '../config/resource.ts'
import type { ListenerPlan, TlsChainPlan } from '../snapshot/listener-plan.ts'
import type { CallUrl } from './call.ts'
import { type ExplainContext, type Finding, NOTHING } from './context.ts'
import type { ExplainedTls } from './explanation.ts'
import { explainListener, listenerPorts, nearestServerName, tablesOf } from './gateway-listener.ts'
import type { WrittenServer } from './gateway-servers.ts'
import { refused } from './outcome.ts'
import { sameResource } from './resource-places.ts'

/** Connections to Gateway servers that end before a request is read. */
export class ConnectionRefusals {
  readonly #context: ExplainContext

  constructor(context: ExplainContext) {
    this.#context = context
  }

  noListener(port: number, url: CallUrl): Finding {
    const { snapshot } = this.#context.source
    const ports = listenerPorts(snapshot.listeners)
    const hint =
      ports === '' ? 'no Gateway opens a port' : `Gateways open port ${ports}: give --port`
    const holders = snapshot.listeners
      .filter((listener) => tablesOf(listener).some(({ hosts }) => hosts.find(url.host) !== null))
      .map(({ gatewayPorts }) => `${url.host} is served on port ${gatewayPorts.join(', ')}`)
    const closed = this.#context.servers.filter((server) => server.port === port)
    const [first] = closed
    const unserved = first === undefined ? null : this.#whyUnserved(first)
    const refusal = { status: 0, flag: '', reason: `nothing listens for Gateway port ${port}` }
    return { ...NOTHING, outcome: refused(refusal, [unserved, ...holders, hint]) }
  }

  /** A Gateway asks for the port, but nothing came of it: what the compiler said. */
  #whyUnserved({ gateway, port, resource, index }: WrittenServer): string {
    const server = `spec.servers[${index}]`
    const said = this.#context.source.problems.find(({ ref, path, severity }) => {
      const at = formatPath(path)
      const here = !at.startsWith('spec.servers') || `${at}.`.startsWith(`${server}.`)
      return severity !== 'info' && ref !== null && here && sameResource(ref, refOf(resource))
    })
    const start = `Gateway ${gateway} has a server on port ${port}`
    return said === undefined
      ? `${start} that no VirtualService leads anywhere`
      : `${start}, but ${said.message}`
  }

  isBound({ key }: ListenerPlan): boolean {
    const { live, bound } = this.#context.source
    return !live || bound.some(({ name, addresses }) => name === key && addresses.length > 0)
  }

  /** The configuration has the listener, the running gateway does not: it could not bind, or drains. */
  unbound(listener: ListenerPlan): Finding {
    const { servers, source } = this.#context
    const ports = listener.gatewayPorts.join(', ')
    const said = source.problems.find(
      ({ code, message }) =>
        code === 'listener-not-bound' && message.includes(`Gateway port ${ports} `),
    )
    const reason = said === undefined ? `listener ${listener.key} is drained` : said.message
    const found = { ...NOTHING, listener: explainListener(listener, null, servers, source.bound) }
    return { ...found, outcome: refused({ status: 0, flag: '', reason }, [said?.hint ?? null]) }
  }

  wrongScheme(listener: ListenerPlan, secure: boolean): Finding {
    const { servers, source } = this.#context
    const reason = secure
      ? `listener ${listener.key} speaks HTTP in clear text: a TLS handshake fails`
      : `listener ${listener.key} wants TLS: a request in clear text is not answered`
    const hint = secure ? 'use http://, or a port with an HTTPS server' : 'use https://'
    const found = { ...NOTHING, listener: explainListener(listener, null, servers, source.bound) }
    return { ...found, outcome: refused({ status: 0, flag: '', reason }, [hint]) }
  }

  noChain(listener: ListenerPlan, tls: ExplainedTls, serverName: string): Finding {
    const { servers, source } = this.#context
    const reason =
      serverName === ''
        ? 'the client sends no TLS server name, and no server takes every host'
        : `no server has the TLS server name ${serverName}: the handshake is refused (unrecognized_name)`
    const hints = [nearestServerName(listener, serverName)]
    const found = {
      ...NOTHING,
      tls,
      listener: explainListener(listener, null, servers, source.bound),
    }
    return { ...found, outcome: refused({ status: 0, flag: '', reason }, hints) }
  }

  /** All that is wrong with the chosen server is a Secret that is not among the files. */
  assumesSecret({ chains }: ExplainedTls): boolean {
    const { assumeSecrets = false, problems } = this.#context.source
    const place = chains.find(({ chosen }) => chosen)?.place ?? null
    if (!assumeSecrets || place === null) return false
    return problems.some(
      ({ code, ref, path }) =>
        code === 'secret-not-found' &&
        ref !== null &&
        sameResource(ref, place) &&
        formatPath(path).startsWith(`${place.path}.`),
    )
  }

  noCertificate(listener: ListenerPlan, tls: ExplainedTls, chain: TlsChainPlan): Finding {
    const { servers, source } = this.#context
    const reason = `server ${chain.name} has no certificate it can use: the handshake is refused`
    const hints = [
      'see the problems of the Gateway: the Secret is missing or broken, or the TLS mode is not served',
    ]
    const listed = explainListener(listener, chain.http, servers, source.bound)
    const outcome = refused({ status: 0, flag: '', reason }, hints)
    return { ...NOTHING, tls, listener: listed, outcome }
  }
}
