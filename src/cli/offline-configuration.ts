import { statSync } from 'node:fs'
import type { RateLimitMode } from '../../plugins/rate-limit/service/service-decisions.ts'
import type { EgressControlSettings } from '../compile/egress/egress-control-settings.ts'
import type { LimitFlags } from '../compile/limits/limit-table.ts'
import type { Problem } from '../config/problems.ts'
import { startFileSource } from '../config/sources/file/file-source.ts'
import { BuiltInFilters } from '../process/built-in-filters.ts'
import { Configuration, type LoadedConfiguration } from '../process/configuration.ts'
import { AddressGuard } from '../upstream/address-guard.ts'
import { literalRefusal } from '../upstream/literal-refusal.ts'
import { usageError } from './exit.ts'

/** How files are to be understood; as the flags of `tidegate run` of the same names. */
export interface OfflineOptions {
  readonly labels: readonly Readonly<Record<string, string>>[]
  readonly namespace: string
  readonly domain: string
  readonly meshConfig: string | null
  /** Folder with the workload's certificate; absent: /etc/certs. */
  readonly meshCertificates?: string
  /** Descriptor file or folder of envoyproxy/ratelimit; absent or null: ConfigMaps alone. */
  readonly rateLimitConfig?: string | null
  /** Absent: `auto`. */
  readonly rateLimitMode?: RateLimitMode
  readonly limits?: LimitFlags
  /** What the egress proxy does about its clients; absent: nothing special. */
  readonly egressControl?: EgressControlSettings
  /** CIDRs that undeclared hosts of the egress proxy may lead to; none when absent. */
  readonly egressAllow?: readonly string[]
  readonly compat: boolean
  /** CIDRs; none when absent. */
  readonly trustedProxies?: readonly string[]
  /** Own `region/zone/subzone`; absent: not known, and that is no finding. */
  readonly locality?: string
}

/** Reads and compiles files as a gateway would, without serving them. Throws for a path that is not there. */
export async function loadOffline(
  paths: readonly string[],
  flag: string,
  options: OfflineOptions,
): Promise<LoadedConfiguration> {
  requirePaths(paths, flag)
  if (options.meshConfig !== null) requirePaths([options.meshConfig], '--mesh-config')
  if (options.rateLimitConfig) requirePaths([options.rateLimitConfig], '--rate-limit-config')
  const filters = BuiltInFilters.forCompilation(options.rateLimitMode)
  const source = await startFileSource({ paths, watch: false, onChange: () => undefined })
  try {
    const configuration = new Configuration({
      ...options,
      rateLimitConfig: options.rateLimitConfig ?? null,
      ...filters.compilers,
    })
    return configuration.load(await source.read())
  } finally {
    await source.close()
    await filters.close()
  }
}

function requirePaths(paths: readonly string[], flag: string): void {
  for (const path of paths) {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      throw usageError(`there is no file or folder ${path}`, flag, 'check the path')
    }
  }
}

/** What the egress proxy dials for nobody, as explanations ask it; its host's own addresses are not known here. */
export function offlineGuard({
  egressAllow = [],
}: Pick<OfflineOptions, 'egressAllow'>): (host: string, port: number) => string | null {
  const guard = new AddressGuard({ allow: egressAllow })
  return (host, port) => literalRefusal(guard, host, port)
}

/** Files under version control come without their Secrets, so one that is absent decides nothing. */
export function withoutSecrets(problem: Problem): Problem {
  return problem.code === 'secret-not-found' ? { ...problem, severity: 'warning' } : problem
}
