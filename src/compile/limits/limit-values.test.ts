import { describe, expect, test } from 'vitest'
import type { MeshConfigSpec } from '../../config/mesh-config.ts'
import type { EffectiveLimit } from '../../snapshot/effective-limit.ts'
import { Findings } from '../findings.ts'
import { type LimitFlags, type LimitName, NO_LIMIT_FLAGS } from './limit-table.ts'
import { limitNumber, LimitValues } from './limit-values.ts'

function withFields(connectionSettings: object): MeshConfigSpec {
  return { defaultConfig: { connectionSettings } }
}

function effective(
  name: LimitName,
  mesh: MeshConfigSpec,
  flags: LimitFlags,
  compat: boolean,
): Omit<EffectiveLimit, 'name'> {
  const { value, source } = new LimitValues({ mesh, flags, compat }, new Findings())
    .effective()
    .find((limit) => limit.name === name)!
  return { value, source }
}

const EDGE = { profile: 'EDGE' }
const TRUSTING: MeshConfigSpec = { defaultConfig: { gatewayTopology: { numTrustedProxies: 1 } } }
const UNDERSCORES = { httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_DROP_HEADER' }

describe('a field of MeshConfig, then --limit, then the profile, then the default', () => {
  test.each<
    [LimitName, MeshConfigSpec, number | string | null, number | string, EffectiveLimit['source']]
  >([
    ['idle-timeout', {}, null, '75s', 'default'],
    ['idle-timeout', withFields(EDGE), null, '1h', 'profile EDGE'],
    ['idle-timeout', withFields(EDGE), 9_000, '9s', '--limit'],
    ['idle-timeout', withFields({ httpIdleTimeout: '7s' }), 9_000, '7s', 'MeshConfig'],
    ['idle-timeout', withFields({ httpIdleTimeout: '0s' }), 9_000, 'unlimited', 'MeshConfig'],
    ['connections', {}, null, 'half of the open files, at most 50000', 'default'],
    ['connections', {}, Infinity, 'unlimited', '--limit'],
    ['connections', withFields({ globalDownstreamConnectionLimit: 5 }), 9, 5, 'MeshConfig'],
    // Out of range is as if it were not there.
    ['connections', withFields({ globalDownstreamConnectionLimit: 0 }), 9, 9, '--limit'],
    ['connections-per-address', {}, null, 1000, 'default'],
    ['connections-per-address', TRUSTING, null, 'unlimited', 'numTrustedProxies'],
    ['connections-per-address', TRUSTING, 7, 7, '--limit'],
    ['header-underscores', withFields(UNDERSCORES), 'allow', 'drop', 'MeshConfig'],
    ['header-underscores', withFields(EDGE), 'allow', 'allow', '--limit'],
    ['header-underscores', withFields(EDGE), null, 'reject', 'profile EDGE'],
    ['head-bytes', withFields(EDGE), 8_192, 8_192, '--limit'],
  ])('%s under %o and %j: %s', (name, mesh, flag, value, source) => {
    const flags: LimitFlags = flag === null ? NO_LIMIT_FLAGS : new Map([[name, flag]])
    expect(effective(name, mesh, flags, false)).toEqual({ value, source })
  })

  test('--compat is a default like any other', () => {
    const flags: LimitFlags = new Map([['header-underscores', 'drop']])
    expect(effective('header-underscores', {}, NO_LIMIT_FLAGS, true)).toEqual({
      value: 'allow',
      source: '--compat',
    })
    expect(effective('header-underscores', {}, flags, true).value).toBe('drop')
    expect(effective('header-underscores', withFields(EDGE), NO_LIMIT_FLAGS, true).value).toBe(
      'reject',
    )
  })

  test('one number can be asked for alone', () => {
    const flags: LimitFlags = new Map([['upstream-buffer-bytes', 4_096]])
    expect(limitNumber('upstream-buffer-bytes', { mesh: {}, flags, compat: false })).toBe(4_096)
  })
})
