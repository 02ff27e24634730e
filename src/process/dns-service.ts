import { lookup, Resolver as SystemResolver } from 'node:dns/promises'
import { isIP, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { monotonicNow } from '../base/clock.ts'
import { splitHostPort } from '../base/host-port.ts'
import { AutoAddresses } from '../dns/auto-addresses.ts'
import { DnsServer } from '../dns/dns-server.ts'
import { Forwarder } from '../dns/forwarder.ts'
import type { NameServer } from '../dns/name-server.ts'
import { NameTable } from '../dns/name-table.ts'
import { Responder } from '../dns/responder.ts'
import { dnsNames } from '../explain/dns-names.ts'
import { dnsReport } from '../explain/dns-records.ts'
import { type BindAddress, formatBindAddress } from '../listeners/bind-address.ts'
import { publishDnsStats } from '../telemetry/dns-stats.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { LoadedConfiguration } from './configuration.ts'
import type { Logger } from './log.ts'
import type { RunOptions } from './run-options.ts'
import { bindOrExplain, StartError } from './start-error.ts'

const DNS_PORT = 53
/** The system's name servers are looked up again after this long. */
const SERVERS_TTL_MS = 30_000

/** DNS of one gateway (`--dns`): names of every generation, and the way to other name servers. */
export class DnsService {
  readonly #server: DnsServer
  readonly #responder: Responder
  readonly #forwarder: Forwarder
  readonly #advertise: readonly string[]
  readonly #auto = new AutoAddresses()

  private constructor(parts: {
    server: DnsServer
    responder: Responder
    forwarder: Forwarder
    advertise: readonly string[]
  }) {
    this.#server = parts.server
    this.#responder = parts.responder
    this.#forwarder = parts.forwarder
    this.#advertise = parts.advertise
  }

  /** null: `--dns` was not given. Throws StartError when it cannot be bound. */
  static async start(
    options: RunOptions,
    loaded: LoadedConfiguration,
    log: Logger,
  ): Promise<DnsService | null> {
    const { dns, resolvers } = options
    if (dns === undefined || dns.listen === null) return null
    const given = resolvers.length === 0 ? null : await Promise.all(resolvers.map(nameServerOf))
    const system = new SystemServers()
    let own: BindAddress | null = null
    const forwarder = new Forwarder({
      servers: () => {
        const servers = given ?? system.servers
        return own === null ? servers : withoutOwn(servers, own)
      },
    })
    const responder = new Responder(forwarder)
    const { listen } = dns
    const server = await bindOrExplain('--dns', listen, () =>
      DnsServer.start({ ...listen, responder, clients: dns.clients }),
    )
    own = server.address
    const { advertise } = dns
    const service = new DnsService({ server, responder, forwarder, advertise })
    service.update(loaded)
    log.info({ address: service.address, names: responder.table.size }, 'DNS is answered')
    return service
  }

  /** `127.0.0.1:5353`, as bound. */
  get address(): string {
    return formatBindAddress(this.#server.address)
  }

  get port(): number {
    return this.#server.address.port
  }

  /** Answers from what is served now. */
  update({ set, settings }: LoadedConfiguration): void {
    const { hosts } = dnsReport({ set, settings, advertise: this.#advertise })
    this.#responder.table = new NameTable(dnsNames(set, settings, hosts), this.#auto)
  }

  publish(metrics: Metrics): void {
    const { counts } = this.#server
    const stats = { answers: () => counts.all, truncated: () => counts.truncated }
    metrics.add((registry) => publishDnsStats(registry, stats))
  }

  async close(): Promise<void> {
    this.#forwarder.close()
    await this.#server.close()
  }
}

/** `--resolver` may name its server; that name is looked up once, by the system. */
async function nameServerOf(text: string): Promise<NameServer> {
  const server = parseServer(text)
  if (isIP(server.host) !== 0) return server
  try {
    return { host: (await lookup(server.host)).address, port: server.port }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new StartError(
      `the name server is not known: ${message}`,
      `--resolver ${text}`,
      'give its IP address',
    )
  }
}

function parseServer(text: string): NameServer {
  if (isIP(text) !== 0) return { host: text, port: DNS_PORT }
  const { host, port } = splitHostPort(text)
  return { host, port: port ?? DNS_PORT }
}

/** Name servers of the machine (resolv.conf), followed as they change. */
class SystemServers {
  #servers: readonly NameServer[] = []
  #readAtMs = -Infinity

  get servers(): readonly NameServer[] {
    const now = monotonicNow()
    if (now - this.#readAtMs >= SERVERS_TTL_MS) {
      this.#readAtMs = now
      this.#servers = new SystemResolver().getServers().map(parseServer)
    }
    return this.#servers
  }
}

/** A machine whose resolv.conf names this very server would have it ask itself without end. */
function withoutOwn(servers: readonly NameServer[], own: BindAddress): readonly NameServer[] {
  const everywhere = own.host === '::' || own.host === '0.0.0.0' || own.host === null
  const hosts = everywhere ? ownAddresses() : new Set([own.host])
  return servers.filter(({ host, port }) => port !== own.port || !hosts.has(host))
}

function ownAddresses(): ReadonlySet<string | null> {
  const all = Object.values(networkInterfaces()).flatMap((entries = []) => entries)
  return new Set(all.map(({ address }) => (isIPv6(address) ? address.toLowerCase() : address)))
}
