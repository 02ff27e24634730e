import { isIP } from 'node:net'
import { Option } from 'commander'
import { isFqdn } from '../config/names.ts'
import type { DnsSettings } from '../process/run-options.ts'
import { usageError } from './exit.ts'
import { repeatable } from './flag-options.ts'
import { parseAddress, parseBlock } from './flag-values.ts'

/** Flags of `run` about DNS as given. */
export interface RawDnsFlags {
  dns?: string
  dnsClients: string[]
  advertise: string[]
}

/** `--dns`, `--dns-clients` and `--advertise` of `run`. */
export function dnsFlags(): readonly Option[] {
  return [
    new Option('--dns <[host:]port>', 'answer DNS: Gateway, Service and ServiceEntry hosts'),
    repeatable(
      '--dns-clients <cidr>',
      'clients that may ask --dns, beside loopback and private addresses',
    ),
    repeatable(
      '--advertise <address>',
      'address or host name of this gateway for clients outside, whatever Services say',
    ),
  ]
}

export function dnsSettingsOf(flags: RawDnsFlags): { dns: DnsSettings } {
  return {
    dns: {
      listen: flags.dns === undefined ? null : parseAddress('--dns', flags.dns),
      clients: flags.dnsClients.map((text) => parseBlock('--dns-clients', text)),
      advertise: flags.advertise.map(parseAdvertise),
    },
  }
}

/** An IP address, or a host name without its trailing dot. */
export function parseAdvertise(text: string): string {
  const value = text.endsWith('.') ? text.slice(0, -1) : text
  if (isIP(value) !== 0 && !value.includes('%')) return value
  if (isFqdn(value) && !/^[\d.]+$/.test(value)) return value.toLowerCase()
  const hint =
    'write --advertise 203.0.113.7, an IPv6 address or a host name such as lb.example.com'
  throw usageError(`"${text}" is neither an address nor a host name`, '--advertise', hint)
}
