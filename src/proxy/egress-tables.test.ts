import { expect, test } from 'vitest'
import { NO_EGRESS } from '../../test/support/proxy-bench.ts'
import { VirtualHost } from '../routing/virtual-host.ts'
import {
  type EgressClient,
  type EgressControl,
  UNKNOWN_CLIENT,
} from '../snapshot/egress-control.ts'
import type { EgressPlan, EgressTables } from '../snapshot/egress-plan.ts'
import { tablesFor } from './egress-access.ts'

const empty = (): EgressTables => ({
  http: new Map(),
  tunnels: new Map(),
  tunnelRules: new Map(),
  addresses: [],
  serverNames: new Map(),
})
const SHOP = empty()
const OTHERS = empty()
const ANY = new VirtualHost('any', [], false)

function planWith(tables: EgressControl['tables']): EgressPlan {
  const control: EgressControl = {
    reportOnly: false,
    refuseUnknown: false,
    namespace: 'istio-system',
    hasAudiences: false,
    tables,
    declarations: new Map(),
    addresses: [],
    workloads: new Map(),
    unknown: UNKNOWN_CLIENT,
    users: null,
    scopes: new Map(),
    allowAny: ANY,
    blockAll: ANY,
  }
  return { ...NO_EGRESS, control }
}

const client = (by: EgressClient['by'], namespace: string): EgressClient => ({
  ...UNKNOWN_CLIENT,
  by,
  namespace,
})

test.each(['pod', 'workload-entry', 'certificate', 'credentials'] as const)(
  'a client known by %s sees what its namespace does',
  (by) => {
    const plan = planWith(
      new Map([
        ['shop', SHOP],
        ['', OTHERS],
      ]),
    )
    expect(tablesFor(plan, client(by, 'shop'))).toBe(SHOP)
    expect(tablesFor(plan, client(by, 'elsewhere'))).toBe(OTHERS)
    expect(tablesFor(plan, client(by, ''))).toBe(plan)
  },
)

test('without tables of namespaces everybody sees the same', () => {
  const plan = planWith(null)
  expect(tablesFor(plan, client('pod', 'shop'))).toBe(plan)
  expect(tablesFor(NO_EGRESS, client('pod', 'shop'))).toBe(NO_EGRESS)
  expect(tablesFor(planWith(new Map([['shop', SHOP]])), client('pod', 'data'))).not.toBe(SHOP)
})
