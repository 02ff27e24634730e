import type { RateLimitActivity } from '../admin/admin-state.ts'
import { durationText, quotaText } from '../explain/limit-text.ts'
import type { HotLimit } from '../filters/limit-report.ts'
import type { BindAddress } from '../listeners/bind-address.ts'
import { adminJson } from './admin-call.ts'
import { EXIT_OK } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'
import { textTable } from './text-table.ts'

type TopAnswer = Pick<RateLimitActivity, 'store' | 'rules'> & { readonly keys: readonly HotLimit[] }

/** `tidegate limit top`: counters near or over their limit, and what each rule did. */
export async function limitTop(
  admin: BindAddress,
  count: number,
  output: OutputFormat,
): Promise<number> {
  const answer = await adminJson<TopAnswer>(admin, `/ratelimit/top?limit=${count}`)
  printOutput(output, answer, () => process.stdout.write(topText(answer)))
  return EXIT_OK
}

const KEY_TITLES = [
  'POLICY',
  'RULE',
  'KEY',
  'STATE',
  'LIMIT',
  'USED',
  'LEFT',
  'RESET',
  'DENIED',
  'WOULD DENY',
]
const RULE_TITLES = ['POLICY', 'RULE', 'ALLOWED', 'DENIED', 'WOULD DENY', 'NOT COUNTED']

function topText({ store, keys, rules }: TopAnswer): string {
  const where = store.kind === 'redis' ? `Redis at ${store.server ?? ''}` : 'this process'
  const away = store.available ? '' : ', which is AWAY: failure policies decide'
  const met = rules.filter((one) => one.allowed + one.limited + one.shadowed + one.unavailable > 0)
  return [
    `counted in ${where}${away}\n\n`,
    keys.length === 0
      ? 'no counter was met near or over its limit\n'
      : textTable(KEY_TITLES, keys.map(keyRow)),
    '\n',
    met.length === 0
      ? 'no request met a limit yet\n'
      : textTable(
          RULE_TITLES,
          met.map(({ policy, rule, ...counts }) => [
            policy,
            rule,
            ...[counts.allowed, counts.limited, counts.shadowed, counts.unavailable].map(String),
          ]),
        ),
  ].join('')
}

function keyRow(one: HotLimit): readonly string[] {
  const { policy, rule, key, status, used, limit, remaining, resetMs, denied, wouldDeny } = one
  const cells = [policy, rule, key, status, quotaText(one), `${used}/${limit}`, String(remaining)]
  return [...cells, durationText(resetMs), String(denied), String(wouldDeny)]
}
