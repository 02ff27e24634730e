import { networkInterfaces } from 'node:os'
import { BlockList, isIP, isIPv6, Socket } from 'node:net'

/** Connections from here are the test's own. */
export const WITNESS_CLIENT = '127.0.0.77'

interface Dialled {
  readonly host: string
  readonly port: number
}

/**
 * Stands where node:net opens TCP connections: notes where each would go and lets only those of
 * WITNESS_CLIENT through. The others fail as refused, so nothing leaves this machine.
 */
export class DialWitness implements Disposable {
  readonly dialled: Dialled[] = []
  readonly #connect: unknown = Reflect.get(Socket.prototype, 'connect')

  constructor() {
    const { dialled } = this
    const connect = this.#connect as (...args: unknown[]) => Socket
    Reflect.set(Socket.prototype, 'connect', function (this: Socket, ...args: unknown[]): Socket {
      const options = connectOptions(args)
      if (options.localAddress === WITNESS_CLIENT) return connect.apply(this, args)
      dialled.push({ host: options.host ?? '', port: options.port ?? 0 })
      const error = Object.assign(new Error('nobody is dialled here'), { code: 'ECONNREFUSED' })
      process.nextTick(() => this.destroy(error))
      return this
    })
  }

  [Symbol.dispose](): void {
    Reflect.set(Socket.prototype, 'connect', this.#connect)
  }
}

interface ConnectOptions {
  readonly host?: string
  readonly port?: number
  readonly localAddress?: string
}

/** net.connect passes on its arguments in an array, options first. */
function connectOptions([first]: readonly unknown[]): ConnectOptions {
  const options: unknown = Array.isArray(first) ? first[0] : first
  return typeof options === 'object' && options !== null ? options : {}
}

const GUARDED_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
const GUARDED_IPV6 = ['::/96', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8', '::ffff:0:0:0/96']

/** What of the special-purpose registries (RFC 6890) must not be reached, by node's own reading. */
export function guardedAddresses(): (address: string) => boolean {
  const list = new BlockList()
  for (const block of GUARDED_IPV4) {
    const [network = '', prefix = ''] = block.split('/')
    list.addSubnet(network, Number(prefix), 'ipv4')
    const [a, b, c, d] = network.split('.').map(Number) as [number, number, number, number]
    const groups = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
    list.addSubnet(`64:ff9b::${groups}`, 96 + Number(prefix), 'ipv6')
    list.addSubnet(`2002:${groups}::`, 16 + Number(prefix), 'ipv6')
  }
  for (const block of GUARDED_IPV6) {
    const [network = '', prefix = ''] = block.split('/')
    list.addSubnet(network, Number(prefix), 'ipv6')
  }
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  for (const { address } of own) list.addAddress(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  return (address) => {
    const family = isIP(address)
    // A name would be resolved behind the guard's back.
    return family === 0 || list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
}
