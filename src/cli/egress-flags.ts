import { Option } from 'commander'
import { bytes } from '../compile/limits/limit-row.ts'
import { parseLimitValue } from '../compile/limits/limit-text.ts'
import type { RunOptions } from '../process/run-options.ts'
import { DEFAULT_MAX_BYTES } from '../telemetry/egress-ledger.ts'
import { usageError } from './exit.ts'
import { parseChoice } from './flag-values.ts'

/** Flags about whom the egress proxy serves and what it refuses, as given. */
export interface RawEgressControlFlags {
  egressMode: string
  egressUnknownClients: string
  egressUsers?: string
}

/** Flags of `run` about what the egress proxy records, as given. */
export interface RawEgressFlags {
  egressLedger?: string
  egressLedgerSize?: string
}

export function egressLedgerFlags(): readonly Option[] {
  return [
    new Option('--egress-ledger <path>', 'hash-chained file of every egress decision'),
    new Option(
      '--egress-ledger-size <bytes>',
      'size at which the ledger gets its own name (default 256Mi)',
    ),
  ]
}

export function egressControlFlags(): readonly Option[] {
  return [
    new Option(
      '--egress-mode <mode>',
      'enforce, or report: what REGISTRY_ONLY would block passes and is recorded',
    ).default('enforce'),
    new Option(
      '--egress-unknown-clients <rule>',
      'allow or refuse egress clients that nothing identifies',
    ).default('allow'),
    new Option(
      '--egress-users <[ns/]secret>',
      'Secret with the users of Proxy-Authorization and SOCKS5 at the egress proxy',
    ),
  ]
}

export function egressLedgerOf(flags: RawEgressFlags): Pick<RunOptions, 'egressLedger'> {
  if (flags.egressLedger === undefined) return {}
  const path = ledgerPath(flags.egressLedger)
  return { egressLedger: { path, maxBytes: ledgerSize(flags.egressLedgerSize) } }
}

/** Nothing where all is as by default. */
export function egressControlOf(
  flags: RawEgressControlFlags,
  namespace: string,
): Pick<RunOptions, 'egressControl'> {
  const mode = parseChoice('--egress-mode', flags.egressMode, ['enforce', 'report'])
  const rule = parseChoice('--egress-unknown-clients', flags.egressUnknownClients, [
    'allow',
    'refuse',
  ])
  const users = flags.egressUsers === undefined ? null : secretName(flags.egressUsers, namespace)
  const control = { reportOnly: mode === 'report', refuseUnknown: rule === 'refuse', users }
  const isDefault = !control.reportOnly && !control.refuseUnknown && users === null
  return isDefault ? {} : { egressControl: control }
}

/** A chain that shares its file with other lines, or ends with the pipe, proves nothing. */
function ledgerPath(text: string): string {
  if (text !== '-' && !/^\/dev\/(?:stdout|stderr|fd\/)/.test(text)) return text
  throw usageError(
    `the ledger cannot go to ${text}: its chain would break at every restart`,
    '--egress-ledger',
    'name a regular file; what is to be read on stdout is the access log',
  )
}

const SIZE = bytes(DEFAULT_MAX_BYTES, 'size of an egress ledger file')

function ledgerSize(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MAX_BYTES
  const size = parseLimitValue(SIZE, text)
  if (typeof size === 'number' && size > 0) return size
  throw usageError(`"${text}" is not a size`, '--egress-ledger-size', 'write 64Mi, or bytes')
}

function secretName(text: string, namespace: string): string {
  const name = text.includes('/') ? text : `${namespace}/${text}`
  if (/^[a-z0-9-]+\/[a-z0-9.-]+$/.test(name)) return name
  throw usageError(`"${text}" is not a Secret`, '--egress-users', 'write NAMESPACE/NAME or NAME')
}
