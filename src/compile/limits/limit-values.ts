import { parseDurationMs } from '../../base/duration.ts'
import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import type { EffectiveLimit, LimitSource } from '../../snapshot/effective-limit.ts'
import type { Findings } from '../findings.ts'
import type { LimitRow, MeshField } from './limit-row.ts'
import {
  type ChoiceLimit,
  type ChoiceOf,
  LIMIT_NAMES,
  type LimitFlags,
  type LimitName,
  LIMITS,
  type NumberLimit,
} from './limit-table.ts'
import { shownLimit } from './limit-text.ts'

/** Everything that decides about limits. */
export interface LimitOrigins {
  readonly mesh: MeshConfigSpec
  readonly flags: LimitFlags
  readonly compat: boolean
}

interface Decided {
  readonly value: number | string | null
  readonly source: LimitSource
}

/**
 * Every limit of the table with its value. A field of MeshConfig wins over `--limit`, which wins
 * over the EDGE profile (defaults of another kind), `--compat` and our default.
 */
export class LimitValues {
  readonly #decided = new Map<LimitName, Decided>()

  constructor(origins: LimitOrigins, findings: Findings) {
    for (const name of LIMIT_NAMES) this.#decided.set(name, decide(name, origins, findings))
  }

  number(name: Exclude<NumberLimit, 'connections'>): number {
    return Number(this.#decided.get(name)!.value)
  }

  /** null: as many as open files allow. */
  get connections(): number | null {
    const { value } = this.#decided.get('connections')!
    return value === null ? null : Number(value)
  }

  choice<N extends ChoiceLimit>(name: N): ChoiceOf<N> {
    return this.#decided.get(name)!.value as ChoiceOf<N>
  }

  effective(): readonly EffectiveLimit[] {
    return [...this.#decided].map(([name, { value, source }]) => ({
      name,
      value: shownLimit(LIMITS[name], value),
      source,
    }))
  }
}

/** One number alone; what MeshConfig has out of range is not reported again. */
export function limitNumber(name: NumberLimit, origins: LimitOrigins): number {
  return Number(decide(name, origins, null).value)
}

function decide(name: LimitName, origins: LimitOrigins, findings: Findings | null): Decided {
  const row: LimitRow = LIMITS[name]
  const { mesh, flags } = origins
  const inMesh = row.field === null ? null : fieldValue(row, row.field, mesh, findings)
  if (inMesh !== null) return { value: inMesh, source: 'MeshConfig' }
  const flag = flags.get(name)
  if (flag !== undefined) return { value: flag, source: '--limit' }
  const isEdge = mesh.defaultConfig?.connectionSettings?.profile === 'EDGE'
  if (isEdge && row.edge !== null) return { value: row.edge, source: 'profile EDGE' }
  return derived(name, origins) ?? { value: row.byDefault, source: 'default' }
}

/** Defaults that follow from what else is configured. */
function derived(name: LimitName, { mesh, compat }: LimitOrigins): Decided | null {
  if (name === 'header-underscores' && compat) return { value: 'allow', source: '--compat' }
  const trusted = mesh.defaultConfig?.gatewayTopology?.numTrustedProxies ?? 0
  if (name === 'connections-per-address' && trusted > 0) {
    return { value: Infinity, source: 'numTrustedProxies' }
  }
  return null
}

/** null: not given, or nothing a wire can do, which is reported and stands as if it were not there. */
function fieldValue(
  row: LimitRow,
  field: MeshField,
  mesh: MeshConfigSpec,
  findings: Findings | null,
): number | string | null {
  const given = mesh.defaultConfig?.connectionSettings?.[field]
  if (given === undefined) return null
  if (row.unit === 'choice') return row.ofField.get(String(given)) ?? null
  if (typeof given === 'string') {
    const ms = parseDurationMs(given)
    return ms === 0 && row.unlimited ? Infinity : ms
  }
  if (typeof given !== 'number') return null
  if (given >= row.least && given <= row.most) return given
  findings?.reportGeneral(
    'warning',
    'connection-setting-out-of-range',
    `MeshConfig defaultConfig.connectionSettings.${field} ${given} is not between ${row.least} and ${row.most}: it does not count`,
    `write a number from ${row.least}`,
  )
  return null
}
