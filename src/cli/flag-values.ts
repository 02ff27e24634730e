import { parseDurationMs } from '../base/duration.ts'
import { type BindAddress, parseBindAddress } from '../listeners/bind-address.ts'
import { usageError } from './exit.ts'

/** `istio=ingressgateway,app=edge` */
export function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels = new Map<string, string>()
  for (const pair of text.split(',')) {
    const equals = pair.indexOf('=')
    if (equals <= 0) {
      throw usageError(`"${pair}" is not a label`, '--labels', 'write --labels key=value,key=value')
    }
    labels.set(pair.slice(0, equals).trim(), pair.slice(equals + 1).trim())
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
  const port = Number(text.slice(0, Math.max(equals, 0)))
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw usageError(
      `"${text}" is not a port mapping`,
      '--listen',
      'write --listen GATEWAY_PORT=[HOST:]PORT',
    )
  }
  return [port, parseAddress('--listen', text.slice(equals + 1))]
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
