import { Cidr } from '../base/cidr.ts'

/** Loopback, private (RFC 1918, RFC 4193), shared (RFC 6598) and link-local addresses. */
const NEAR = [
  '127.0.0.0/8',
  '::1/128',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
]

/** Who may ask. A resolver that anybody may ask is a tool for attacks on others (RFC 5358). */
export class AllowedClients {
  readonly #blocks: readonly Cidr[]

  /** CIDRs beside the near ones; Cidr.parse has to take each. */
  constructor(blocks: readonly string[]) {
    this.#blocks = [...NEAR, ...blocks].flatMap((block) => Cidr.parse(block) ?? [])
  }

  has(address: string): boolean {
    return this.#blocks.some((block) => block.contains(address))
  }
}
