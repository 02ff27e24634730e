import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readFile, type FileReading } from './file-reading.ts'

const OPTIONS = { compat: false } as const

function virtualService(name: string, more = ''): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${name}.com]
  gateways: [gw]
  http:
  - redirect: { uri: /${name} }
${more}`
}

function read(text: string, before?: FileReading): FileReading {
  return readFile({ path: 'a.yaml', text, error: null }, OPTIONS, before?.documents)
}

/** Everything of a reading that others see. */
function shown(reading: FileReading): unknown {
  return {
    problems: reading.problems,
    uncertain: reading.uncertain,
    resources: reading.resources.map(({ line, ref, resource }) => ({
      line,
      ref,
      digest: resource?.digest,
      at: resource?.location.line,
      rule: resource?.location.lineOf(['spec', 'http', 0, 'redirect']),
    })),
  }
}

describe('a file that is read again', () => {
  test('keeps the resources of documents that did not change, the same objects', () => {
    const before = read([virtualService('a'), virtualService('b')].join('---\n'))
    const after = read([virtualService('a'), virtualService('c')].join('---\n'), before)
    expect(after.resources[0]?.resource).toBe(before.resources[0]?.resource)
    expect(after.resources[1]?.ref?.name).toBe('c')
  })

  test('knows where documents stand that moved', () => {
    const before = read([virtualService('a'), virtualService('b')].join('---\n'))
    const after = read([virtualService('a', '#\n#\n'), virtualService('b')].join('---\n'), before)
    expect(before.resources[1]?.resource?.location.lineOf(['spec', 'hosts'])).toBe(14)
    expect(after.resources[1]?.resource?.location.lineOf(['spec', 'hosts'])).toBe(16)
    expect(after.resources[1]?.line).toBe(12)
  })

  test('moves the findings with their documents', () => {
    const bad = virtualService('b').replace('uri:', 'url:')
    const before = read([virtualService('a'), bad].join('---\n'))
    const after = read([virtualService('a', '#\n'), bad].join('---\n'), before)
    expect(before.problems.map(({ line }) => line)).toEqual([17])
    expect(after.problems.map(({ line }) => line)).toEqual([18])
  })

  test('is as if it were read for the first time, whatever changed', () => {
    const piece = fc.constantFrom(
      virtualService('a'),
      virtualService('b'),
      virtualService('b', '\n\n'),
      virtualService('c').replace('uri:', 'url:'),
      virtualService('d').replace('spec:', 'spec: ['),
      '# nothing\n',
      'kind: Unknown\n',
      `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s}, spec: {}}\n`,
    )
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('---\n'))
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 4 }), (texts) => {
        let reading: FileReading | undefined
        for (const one of texts) reading = read(one, reading)
        expect(shown(reading!)).toEqual(shown(read(texts.at(-1)!)))
      }),
      { numRuns: 100 },
    )
  })
})
