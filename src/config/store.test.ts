import { describe, expect, it } from 'vitest'
import { ResourceStore, type LoadResult, type SourceFile } from './store.ts'

const serviceEntry = (
  name: string,
  host = `${name}.example.com`,
  metadata = '',
) => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: ${name}
${metadata}spec:
  hosts: [${host}]
  ports:
  - {number: 80, name: http, protocol: HTTP}
  resolution: DNS
`
const DATED = '  creationTimestamp: 2024-01-01T00:00:00Z\n'

describe('a load', () => {
  it('sorts resources into their lists: by age, then name, then namespace', () => {
    const text = [
      serviceEntry('b'),
      serviceEntry('a', 'a2.example.com', '  namespace: zz\n'),
      serviceEntry('a'),
      serviceEntry('z', 'z.example.com', DATED),
      'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80, targetPort: http}], sessionAffinity: None}\n',
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n',
    ].join('---\n')
    const { set, problems, counts, changed } = load(text)
    expect(
      set.serviceEntries.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ).toEqual(['default/z', 'default/a', 'zz/a', 'default/b'])
    expect(set.services[0]?.spec).toEqual({ ports: [{ port: 80, targetPort: 'http' }] })
    expect(set.namespaces[0]?.metadata).toMatchObject({ name: 'team', namespace: '' })
    expect(problems).toEqual([])
    expect(counts).toEqual({ files: 1, documents: 6, resources: 6, kept: 0 })
    expect(changed).toBe(true)
  })

  it.each([
    'networking.istio.io/v1',
    'networking.istio.io/v1beta1',
    'networking.istio.io/v1alpha3',
  ])('reads %s', (version) => {
    expect(
      load(serviceEntry('a').replace('networking.istio.io/v1', version)).counts.resources,
    ).toBe(1)
  })

  it('unpacks lists, typed ones too, and keeps the lines of their items', () => {
    const list = (kind: string, apiVersion: string, items: string[]) =>
      `apiVersion: ${apiVersion}\nkind: ${kind}\nitems:\n${items.map((item) => `- ${item.trim().replaceAll('\n', '\n  ')}\n`).join('')}`
    const typed = serviceEntry('c').replace(/^apiVersion.*\nkind.*\n/, '')
    const { set, problems } = load(
      `${list('List', 'v1', [serviceEntry('a'), serviceEntry('b')])}---\n${list('ServiceEntryList', 'networking.istio.io/v1', [typed])}`,
    )
    expect(problems).toEqual([])
    expect(set.serviceEntries.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c'])
    expect(set.serviceEntries[1]?.location.lineOf(['spec', 'hosts'])).toBe(18)
  })

  it('takes the whole document of kinds without spec', () => {
    const { set } = load(
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nports: [{port: 8080}]\nendpoints: [{addresses: [10.0.0.1], deprecatedTopology: {}}]\n',
    )
    expect(set.endpointSlices[0]?.spec).toEqual({
      addressType: 'IPv4',
      ports: [{ port: 8080 }],
      endpoints: [{ addresses: ['10.0.0.1'] }],
    })
  })

  it('gives equal resources equal digests, whatever the order of their keys', () => {
    const digest = (text: string) => load(text).set.namespaces[0]?.digest
    const one = digest(
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: "1", y: "2"}}\n',
    )
    expect(
      digest('kind: Namespace\nmetadata: {labels: {y: "2", x: "1"}, name: a}\napiVersion: v1\n'),
    ).toBe(one)
    expect(
      digest('apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: "1", y: "3"}}\n'),
    ).not.toBe(one)
  })

  it('merges stringData into data and shows no value of a Secret', () => {
    const secret = (data: string) =>
      `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: Opaque\n${data}`
    const good = load(secret('data: {a: aGk=, b: eA==}\nstringData: {b: y}\n'))
    expect(good.set.secrets[0]?.spec).toEqual({ type: 'Opaque', data: { a: 'aGk=', b: 'eQ==' } })
    for (const data of [
      'data: {a: hunter2!}\n',
      'data: hunter2\n',
      'stringData: {a: [hunter2]}\n',
      'stringData: {a: 123454321}\n',
      'data: {a: hunter2, a: hunter2}\n',
    ]) {
      const bad = load(secret(data))
      expect(bad.problems[0]?.severity).toBe('error')
      expect(JSON.stringify(bad.problems)).not.toMatch(/hunter2|12345/)
    }
  })
})

describe('a document', () => {
  it.each<[string, string, string, string | null, number | null]>([
    [
      'that is a list',
      '- match: []\n',
      'not-a-resource',
      'a document begins with apiVersion, kind, metadata and spec',
      1,
    ],
    [
      'without kind',
      'apiVersion: v1\nkid: Service\nmetadata: {name: a}\n',
      'missing-kind',
      'rename `kid` to `kind`',
      1,
    ],
    [
      'without apiVersion',
      'kind: Gateway\nmetadata: {name: a}\n',
      'missing-api-version',
      'write `apiVersion: networking.istio.io/v1`',
      1,
    ],
    [
      'with a slip in metadata',
      serviceEntry('a').replace('metadata', 'metadataL'),
      'missing-metadata',
      'rename `metadataL` to `metadata`',
      3,
    ],
    [
      'with a slip in metadata of a Service',
      'apiVersion: v1\nkind: Service\nmetadataL: {name: a}\n',
      'missing-metadata',
      'rename `metadataL` to `metadata`',
      3,
    ],
    [
      'without name',
      serviceEntry('a').replace('name: a', 'nmae: a'),
      'missing-name',
      'rename `nmae` to `name`',
      3,
    ],
    ['with a number for a name', serviceEntry('7'), 'missing-name', 'put the name in quotes', 4],
    ['with an upper-case name', serviceEntry('Web'), 'bad-name', 'write web', 4],
    ['with a bad namespace', serviceEntry('a', 'a.com', '  namespace: a.b\n'), 'bad-name', null, 5],
    [
      'with a bad label',
      serviceEntry('a', 'a.com', '  labels: {app: my app}\n'),
      'bad-label',
      null,
      5,
    ],
    [
      'with a misspelt kind',
      serviceEntry('a').replace('ServiceEntry', 'ServiceEntri'),
      'unknown-kind',
      'did you mean ServiceEntry?',
      2,
    ],
    [
      'with an unknown version',
      serviceEntry('a').replace('/v1', '/v2'),
      'unknown-api-version',
      'write networking.istio.io/v1',
      1,
    ],
    [
      'with a core apiVersion',
      serviceEntry('a').replace('networking.istio.io/v1', 'v1'),
      'unknown-api-version',
      'write networking.istio.io/v1',
      1,
    ],
    [
      'with a misspelt group',
      serviceEntry('a').replace('networking.istio', 'networkng.istio'),
      'unknown-api-version',
      'write networking.istio.io/v1',
      1,
    ],
    [
      'with spec fields at the top',
      serviceEntry('a').replace('spec:\n  hosts', 'hosts'),
      'syntax',
      null,
      null,
    ],
    [
      'without spec',
      'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\n',
      'missing-spec',
      null,
      1,
    ],
    [
      'with an unknown top-level field',
      `${serviceEntry('a')}hosts: []\n`,
      'unknown-field',
      'did you mean `spec.hosts`?',
      10,
    ],
  ])('%s is an error', (_, text, code, hint, line) => {
    const { problems, set } = load(text)
    expect(set.serviceEntries).toEqual([])
    expect(problems[0]?.severity).toBe('error')
    if (code === 'syntax') return
    expect(problems[0]).toMatchObject({ code, hint, line, file: 'a.yaml' })
  })

  it('may be of another kind: all of those make one note', () => {
    const text = [
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n',
      'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: c}\n',
      'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: c}\n',
    ].join('---\n')
    expect(load(text).problems).toMatchObject([
      {
        code: 'skipped-kinds',
        severity: 'info',
        message:
          'documents of kinds that the gateway does not read were skipped: Deployment (2), Gateway (1), Service (1)',
      },
    ])
  })

  it('of a kind whose policy would be missed is a warning', () => {
    const { problems } = load(
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n',
    )
    expect(problems).toMatchObject([
      { code: 'unsupported-kind', severity: 'warning', line: 1 },
      { code: 'skipped-kinds' },
    ])
  })

  it('with endless slips gives a bounded list', () => {
    const fields = Array.from({ length: 5000 }, (_, index) => `  zz${index}: 1\n`).join('')
    const { problems } = load(serviceEntry('a') + fields)
    expect(problems).toHaveLength(101)
    expect(problems.at(-1)?.message).toBe('4900 more problems of this resource are not shown')
  })

  it('that comes twice is an error that names both places; the first is kept', () => {
    const result = load(serviceEntry('a', 'one.com'), serviceEntry('a', 'two.com'))
    expect(result.set.serviceEntries.map(({ spec }) => spec.hosts)).toEqual([['one.com']])
    expect(result.problems).toMatchObject([
      {
        code: 'duplicate-resource',
        severity: 'error',
        file: 'b.yaml',
        line: 1,
        message: expect.stringContaining('a.yaml:1'),
      },
    ])
  })

  it('that comes twice with the same words is a warning', () => {
    expect(load(serviceEntry('a'), serviceEntry('a')).problems).toMatchObject([
      { severity: 'warning' },
    ])
  })
})

describe('loading again', () => {
  const good = serviceEntry('a', 'good.com')
  const bad = good.replace('number: 80', 'number: "80"')
  const broken = `${good}   x: [\n`

  it('changes nothing when nothing changed', () => {
    const store = new ResourceStore({ compat: false })
    const first = store.load(files(good))
    const second = store.load(files(good))
    expect(second.changed).toBe(false)
    expect(second.set).toBe(first.set)
  })

  it.each<[string, string, boolean]>([
    ['another value', good.replace('good.com', 'better.com'), true],
    ['another line', `\n${good}`, true],
    ['a comment that moves no field', `${good}# end\n`, false],
    [
      'another order of keys',
      good.replace('name: http, protocol: HTTP', 'protocol: HTTP, name: http'),
      true,
    ],
    ['a foreign document', `${good}---\napiVersion: apps/v1\nkind: Deployment\n`, false],
    ['a broken version', bad, false],
    ['nothing', '', true],
  ])('after %s: changed %#', (_, text, changed) => {
    const store = new ResourceStore({ compat: false })
    store.load(files(good))
    expect(store.load(files(text)).changed).toBe(changed)
  })

  it('keeps the last good version of a resource with an error, and says so every time', () => {
    const store = new ResourceStore({ compat: false })
    store.load(files(good))
    for (let round = 0; round < 2; round++) {
      const { set, problems, counts } = store.load(files(bad))
      expect(hosts(set)).toEqual(['good.com'])
      expect(problems.map((problem) => [problem.code, problem.severity])).toEqual([
        ['wrong-type', 'error'],
        ['last-good-kept', 'warning'],
      ])
      expect(problems[1]?.message).toMatch(/^ServiceEntry default\/a stays as load 1 of \d{4}-/)
      expect(counts.kept).toBe(1)
    }
    const mended = store.load(files(good.replace('good.com', 'mended.com')))
    expect(hosts(mended.set)).toEqual(['mended.com'])
    expect(mended.problems).toEqual([])
  })

  it('has nothing to keep of a resource that was never good', () => {
    const store = new ResourceStore({ compat: false })
    expect(store.load(files(bad)).set.serviceEntries).toEqual([])
    expect(store.load(files(bad)).problems.map((problem) => problem.code)).toEqual(['wrong-type'])
  })

  it('lets other resources of the file proceed', () => {
    const store = new ResourceStore({ compat: false })
    store.load(files(`${good}---\n${serviceEntry('b', 'old.com')}`))
    expect(hosts(store.load(files(`${bad}---\n${serviceEntry('b', 'new.com')}`)).set)).toEqual([
      'good.com',
      'new.com',
    ])
  })

  it.each<[string, SourceFile]>([
    ['does not parse', { path: 'a.yaml', text: broken, error: null }],
    [
      'lost its name',
      { path: 'a.yaml', text: good.replace('metadata:', 'metadataL:'), error: null },
    ],
    ['cannot be read', { path: 'a.yaml', text: null, error: 'permission is denied' }],
    ['turned into junk', { path: 'a.yaml', text: '\u0000\u0001', error: null }],
  ])('keeps what stood in a file that %s', (_, file) => {
    const store = new ResourceStore({ compat: false })
    store.load(files(good))
    const { set, problems } = store.load([file])
    expect(hosts(set)).toEqual(['good.com'])
    expect(problems.map((problem) => problem.code)).toContain('last-good-kept')
    expect(hosts(store.load(files('# gone\n')).set)).toEqual([])
  })

  it('removes a resource whose document or file vanished', () => {
    const store = new ResourceStore({ compat: false })
    store.load(files(`${good}---\n${serviceEntry('b')}`, serviceEntry('c')))
    expect(hosts(store.load(files(good, serviceEntry('c'))).set)).toEqual([
      'good.com',
      'c.example.com',
    ])
    expect(hosts(store.load(files(good)).set)).toEqual(['good.com'])
    expect(hosts(store.load([]).set)).toEqual([])
  })

  it('lets a resource move to another file while its own is broken', () => {
    const store = new ResourceStore({ compat: false })
    store.load(files(good))
    const { set, problems } = store.load(files(broken, serviceEntry('a', 'moved.com')))
    expect(hosts(set)).toEqual(['moved.com'])
    expect(problems.map((problem) => problem.code)).not.toContain('last-good-kept')
  })
})

describe('compat', () => {
  it('tolerates what Istio tolerates, with warnings', () => {
    const text = serviceEntry('a')
      .replace('number: 80', 'number: "80"')
      .replace('resolution', 'zzz: 1\n  resolution')
    const result = new ResourceStore({ compat: true }).load(files(text))
    expect(result.counts.resources).toBe(1)
    expect(result.problems.map((problem) => problem.severity)).toEqual(['warning', 'warning'])
  })
})

function files(...texts: string[]): SourceFile[] {
  return texts.map((text, index) => ({ path: `${'abc'[index]}.yaml`, text, error: null }))
}

function load(...texts: string[]): LoadResult {
  return new ResourceStore({ compat: false }).load(files(...texts))
}

function hosts(set: LoadResult['set']): string[] {
  return set.serviceEntries.flatMap(({ spec }) => spec.hosts ?? [])
}
