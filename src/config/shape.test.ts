import { describe, expect, it } from 'vitest'
import { destinationRuleSchema } from './kinds/destination-rule.ts'
import { gatewaySchema } from './kinds/gateway.ts'
import { serviceEntrySchema } from './kinds/service-entry.ts'
import { virtualServiceSchema } from './kinds/virtual-service.ts'
import { formatPath } from './problems.ts'
import {
  any,
  boolean,
  ignored,
  integer,
  intOrString,
  list,
  map,
  number,
  object,
  refused,
  string,
  type Schema,
} from './schema.ts'
import { checkShape, type ShapeOptions } from './shape.ts'

const schemas = {
  dr: destinationRuleSchema,
  gw: gatewaySchema,
  se: serviceEntrySchema,
  vs: virtualServiceSchema,
}

describe('checkShape finds', () => {
  it.each<[string, keyof typeof schemas, unknown, string, string, string, string | null]>([
    [
      'a quoted number',
      'gw',
      { servers: [{ port: { number: '80' } }] },
      'wrong-type',
      'spec.servers[0].port.number',
      'spec.servers[0].port.number must be an integer, got "80"',
      'write 80 without quotes',
    ],
    [
      'a fraction',
      'gw',
      { servers: [{ port: { number: 80.5 } }] },
      'wrong-type',
      'spec.servers[0].port.number',
      'spec.servers[0].port.number must be an integer, got 80.5',
      null,
    ],
    [
      'a scalar for a list',
      'se',
      { hosts: 'a.com' },
      'wrong-type',
      'spec.hosts',
      'spec.hosts must be a list, got "a.com"',
      'write each entry on a line of its own that begins with `- `',
    ],
    [
      'a mapping for a list',
      'se',
      { ports: { number: 1 } },
      'wrong-type',
      'spec.ports',
      'spec.ports must be a list, got a mapping',
      'write each entry on a line of its own that begins with `- `',
    ],
    [
      'a line without colon',
      'se',
      { ports: ['name http'] },
      'wrong-type',
      'spec.ports[0]',
      'spec.ports[0] must be an object, got "name http"',
      'write `name: http`',
    ],
    [
      'a number for a string',
      'dr',
      { subsets: [{ name: 1 }] },
      'wrong-type',
      'spec.subsets[0].name',
      'spec.subsets[0].name must be a string, got 1',
      'put the value in quotes',
    ],
    [
      'yes for true',
      'gw',
      { servers: [{ tls: { httpsRedirect: 'yes' } }] },
      'wrong-type',
      'spec.servers[0].tls.httpsRedirect',
      'spec.servers[0].tls.httpsRedirect must be true or false, got "yes"',
      'write true, without quotes',
    ],
    [
      'a duration without unit',
      'vs',
      { http: [{ timeout: 5 }] },
      'bad-duration',
      'spec.http[0].timeout',
      'spec.http[0].timeout must be a duration, got 5',
      'write `5s` for seconds',
    ],
    [
      'a bad duration',
      'vs',
      { http: [{ timeout: '5 s' }] },
      'bad-duration',
      'spec.http[0].timeout',
      'spec.http[0].timeout must be a duration, got "5 s"',
      'write for example `1.5s`, `100ms` or `1h30m`',
    ],
    [
      'an unknown enum value',
      'se',
      { resolution: 'STATICS' },
      'unknown-value',
      'spec.resolution',
      'spec.resolution must be one of NONE, STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS, got "STATICS"',
      'did you mean STATIC?',
    ],
    [
      'a typo',
      'vs',
      { htpp: [] },
      'unknown-field',
      'spec.htpp',
      'spec.htpp is not a known field',
      'did you mean `http`?',
    ],
    [
      'a field that lost its indentation',
      'se',
      { ports: [{ number: 80 }], name: 'http' },
      'unknown-field',
      'spec.name',
      'spec.name is not a known field',
      'did you mean `ports[0].name`?',
    ],
    [
      'a field too deep',
      'vs',
      { http: [{ route: [{ destination: { host: 'a', timeout: '1s' } }] }] },
      'unknown-field',
      'spec.http[0].route[0].destination.timeout',
      'spec.http[0].route[0].destination.timeout is not a known field',
      'did you mean `spec.http[0].timeout`?',
    ],
    [
      'a field not deep enough',
      'dr',
      { host: 'a', trafficPolicy: { simple: 'RANDOM' } },
      'unknown-field',
      'spec.trafficPolicy.simple',
      'spec.trafficPolicy.simple is not a known field',
      'did you mean `loadBalancer.simple`?',
    ],
    [
      'a snake_case name',
      'se',
      { export_to: ['*'] },
      'unknown-field',
      'spec.export_to',
      'spec.export_to is not a known field',
      'did you mean `exportTo`?',
    ],
    [
      'an unknown field like no other',
      'se',
      { zzz: 1 },
      'unknown-field',
      'spec.zzz',
      'spec.zzz is not a known field',
      null,
    ],
    [
      'an inherited property name',
      'se',
      { toString: 1 },
      'unknown-field',
      'spec.toString',
      'spec.toString is not a known field',
      null,
    ],
    [
      'an empty entry',
      'se',
      { hosts: [null] },
      'empty-entry',
      'spec.hosts[0]',
      'spec.hosts[0] is empty',
      'delete the `-` or fill it in',
    ],
    [
      'a condition without value',
      'vs',
      { http: [{ match: [{ headers: { 'x-a': null } }] }] },
      'empty-entry',
      'spec.http[0].match[0].headers["x-a"]',
      'spec.http[0].match[0].headers["x-a"] has no value',
      'write `{}` for an empty one',
    ],
    [
      'an endless number',
      'dr',
      { trafficPolicy: { loadBalancer: { consistentHash: { minimumRingSize: Infinity } } } },
      'wrong-type',
      'spec.trafficPolicy.loadBalancer.consistentHash.minimumRingSize',
      'spec.trafficPolicy.loadBalancer.consistentHash.minimumRingSize must be an integer, got Infinity',
      null,
    ],
  ])('%s', (_, kind, value, code, path, message, hint) => {
    const { found, ok } = check(schemas[kind], value)
    expect(found).toEqual([
      {
        severity: 'error',
        code,
        path: path.replace('["x-a"]', '.x-a'),
        message: message.replace('["x-a"]', '.x-a'),
        hint,
      },
    ])
    expect(ok).toBe(false)
  })
})

describe('checkShape accepts', () => {
  it.each<[string, unknown, unknown]>([
    ['null and empty lists as absent', { hosts: null, ports: [], exportTo: [] }, {}],
    ['an empty object as present', { workloadSelector: {} }, { workloadSelector: {} }],
    ['numbers written as floats', { ports: [{ number: 80.0 }] }, { ports: [{ number: 80 }] }],
  ])('%s', (_, value, expected) => {
    expect(check(serviceEntrySchema, value)).toEqual({ value: expected, ok: true, found: [] })
  })

  it.each([
    ['static', 'STATIC'],
    ['Dns', 'DNS'],
    ['dns-round-robin', 'DNS_ROUND_ROBIN'],
  ])('%s as %s, with a warning', (written, canonical) => {
    const { value, ok, found } = check(serviceEntrySchema, { resolution: written })
    expect({ value, ok }).toEqual({ value: { resolution: canonical }, ok: true })
    expect(found).toMatchObject([
      { severity: 'warning', code: 'enum-repaired', hint: `write ${canonical}` },
    ])
  })

  it('a frozen copy all the way down', () => {
    const { value } = check(serviceEntrySchema, { ports: [{ number: 1 }] })
    const { ports } = value as { ports: readonly object[] }
    expect([value, ports, ports[0]].every(Object.isFrozen)).toBe(true)
  })
})

describe('checkShape under compat', () => {
  it.each<[string, unknown, unknown, string]>([
    ['a quoted number', { ports: [{ number: '80' }] }, { ports: [{ number: 80 }] }, 'wrong-type'],
    ['an unknown field', { zzz: 1 }, {}, 'unknown-field'],
    ['a snake_case name', { export_to: ['*'] }, { exportTo: ['*'] }, 'snake-case-field'],
    [
      'a snake_case name beside the right one',
      { exportTo: ['.'], export_to: ['*'] },
      { exportTo: ['.'] },
      'unknown-field',
    ],
  ])('warns of %s', (_, value, expected, code) => {
    const result = check(serviceEntrySchema, value, { compat: true })
    expect(result).toMatchObject({ ok: true, found: [{ severity: 'warning', code }] })
    expect(result.value).toEqual(expected)
  })

  it('still refuses what Istio refuses', () => {
    expect(check(serviceEntrySchema, { hosts: 'x' }, { compat: true }).ok).toBe(false)
    expect(check(serviceEntrySchema, { hosts: [1] }, { compat: true }).ok).toBe(false)
  })
})

describe('field tables', () => {
  const schema = object({
    later: ignored(string, 'it comes later'),
    never: refused(object({ a: integer }), 'it would be unsafe'),
    port: intOrString,
    rate: number,
    on: boolean,
    anything: any,
    words: map(string),
    many: list(list(integer)),
  })

  it('say what has no effect and what is refused, but only of what is written', () => {
    expect(check(schema, { later: null }).found).toEqual([])
    expect(check(schema, { later: 'x', never: {} }).found).toMatchObject([
      {
        severity: 'warning',
        code: 'ignored-field',
        message: 'spec.later has no effect: it comes later',
      },
      {
        severity: 'error',
        code: 'refused-field',
        message: 'spec.never is not supported: it would be unsafe',
      },
    ])
  })

  it('keep what they know', () => {
    const value = {
      port: 'http',
      rate: 0.5,
      on: false,
      anything: { x: [] },
      words: { a: '' },
      many: [[1]],
    }
    expect(check(schema, value)).toEqual({ value, ok: true, found: [] })
  })

  it('can leave unknown fields alone, or mention them', () => {
    expect(check(schema, { zzz: 1 }, { unknownFields: 'pass' })).toEqual({
      value: {},
      ok: true,
      found: [],
    })
    const noted = check(schema, { zzz: 1, rtae: 2 }, { unknownFields: 'note' }).found
    expect(noted).toMatchObject([
      { severity: 'info', code: 'unused-field', hint: null },
      { severity: 'warning', code: 'unused-field', hint: 'did you mean `rate`?' },
    ])
  })

  it('can keep values out of messages', () => {
    const { found } = check(
      schema,
      { rate: 'hunter2', words: 'hunter2', many: ['hunter2'] },
      { showValues: false },
    )
    expect(found).toHaveLength(3)
    expect(JSON.stringify(found)).not.toContain('hunter2')
  })
})

function check(schema: Schema, value: unknown, options: Partial<ShapeOptions> = {}) {
  const found: object[] = []
  const sink: ShapeOptions['sink'] = {
    report(severity, code, path, message, hint) {
      found.push({ severity, code, path: formatPath(path), message, hint })
    },
  }
  const all: ShapeOptions = {
    path: ['spec'],
    compat: false,
    unknownFields: 'refuse',
    showValues: true,
    sink,
    ...options,
  }
  return { ...checkShape(schema, value, all), found }
}
