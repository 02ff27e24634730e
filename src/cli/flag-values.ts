import { isIP } from 'node:net'
import { redisServer } from '../../plugins/rate-limit/redis-server.ts'
import { Cidr } from '../base/cidr.ts'
import { parseDurationMs } from '../base/duration.ts'
import { splitHostPort } from '../base/host-port.ts'
import { isFqdn } from '../config/names.ts'
import { type BindAddress, parseBindAddress } from '../listeners/bind-address.ts'
import { usageError } from './exit.ts'

/** `istio=ingressgateway,app=edge` */
export function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels = new Map<string, string>()
  for (const pair of text.split(',')) {
    const equals = pair.indexOf('=')
    const key = pair.slice(0, Math.max(equals, 0)).trim()
    if (key === '') {
      throw usageError(`"${pair}" is not a label`, '--labels', 'write --labels key=value,key=value')
    }
    labels.set(key, pair.slice(equals + 1).trim())
  }
  return Object.fromEntries(labels)
}

/** `8080`, `127.0.0.1:8080`, `[::1]:8080` */
export function parseAddress(flag: string, text: string): BindAddress {
  const address = parseBindAddress(text)
  if (address === null) {
    throw usageError(
      `"${text}" is not an address`,
      flag,
      `write ${flag} [HOST:]PORT with a port from 0 to 65535`,
    )
  }
  return address
}

/** An address, or null for `off`. */
export function parseOptionalAddress(flag: string, text: string): BindAddress | null {
  return text === 'off' ? null : parseAddress(flag, text)
}

/** `80=127.0.0.1:8080` */
export function parseListen(text: string): readonly [number, BindAddress] {
  const equals = text.indexOf('=')
  const written = text.slice(0, Math.max(equals, 0))
  const port = /^\d{1,5}$/.test(written) ? Number(written) : 0
  if (port < 1 || port > 65535) {
    throw usageError(
      `"${text}" is not a port mapping`,
      '--listen',
      'write --listen GATEWAY_PORT=[HOST:]PORT',
    )
  }
  return [port, parseAddress('--listen', text.slice(equals + 1))]
}

/** `region`, `region/zone` or `region/zone/subzone`; '' says nothing. */
export function parseLocalityFlag(text: string): string {
  if (text === '' || /^[^/*\s]+(?:\/[^/*\s]+){0,2}$/.test(text)) return text
  throw usageError(
    `"${text}" is not a locality`,
    '--locality',
    'write --locality REGION/ZONE/SUBZONE, for example eu-west/eu-west-1a',
  )
}

/** `127.0.0.0/8`, or one address. */
export function parseBlock(flag: string, text: string): string {
  if (Cidr.parse(text) !== null) return text
  const hint = `write ${flag} 10.0.0.0/8 or one address`
  throw usageError(`"${text}" is not an address range`, flag, hint)
}

/** `10.96.0.10`, `127.0.0.1:5353`, `[::1]:53`, `dns.internal`: who answers every lookup. */
export function parseResolver(text: string): string {
  const { host, port } = splitHostPort(text)
  const portIsFine = port === null ? !/[^:]:[^:\]]*$/.test(text) || isIP(text) !== 0 : port > 0
  if (portIsFine && (isIP(host) !== 0 || isFqdn(host))) return text
  const hint = 'write --resolver HOST[:PORT], for example 10.96.0.10 or 127.0.0.1:5353'
  throw usageError(`"${text}" is not a name server`, '--resolver', hint)
}

/** The URL may hold a password, so what is wrong is said without it. */
export function parseRedisUrl(text: string): string {
  try {
    redisServer(text)
    return text
  } catch (error) {
    const hint = error instanceof Error ? error.message : 'write --redis redis://host[:port]'
    throw usageError('this is not the URL of a Redis server', '--redis', hint)
  }
}

export function parseDurationFlag(flag: string, text: string): number {
  const ms = parseDurationMs(text)
  if (ms === null)
    throw usageError(`"${text}" is not a duration`, flag, `write ${flag} 45s or ${flag} 1m30s`)
  return ms
}

/** One of `values`, or a usage error that lists them. */
export function parseChoice<const V extends string>(
  flag: string,
  text: string,
  values: readonly V[],
): V {
  const found = values.find((value) => value === text)
  if (found === undefined) {
    throw usageError(`"${text}" is not known`, flag, `choose one of ${values.join(', ')}`)
  }
  return found
}
