import { expect, test } from 'vitest'
import { filterStats, listenersText } from './text-views.ts'

const EXPOSITION = [
  '# HELP a_total x',
  '# TYPE a_total counter',
  'a_total{cluster_name="outbound|80||web"} 1',
  'b_total 2',
  '',
].join('\n')

test.each([
  { filter: null, lines: ['a_total{cluster_name="outbound|80||web"} 1', 'b_total 2'] },
  { filter: 'b_', lines: ['b_total 2'] },
  { filter: 'a_.*web', lines: ['a_total{cluster_name="outbound|80||web"} 1'] },
  { filter: 'a_*web', lines: ['a_total{cluster_name="outbound|80||web"} 1'] },
  { filter: 'web.*a_', lines: [] },
  { filter: '(a+)+$', lines: [] },
  { filter: 'HELP', lines: [] },
])('filter $filter keeps $lines', ({ filter, lines }) => {
  expect(filterStats(EXPOSITION, filter)).toBe(lines.map((line) => `${line}\n`).join(''))
})

test('every address of a listener has a line', () => {
  const listener = {
    name: '*:8080',
    type: 'http',
    addresses: ['0.0.0.0:8080', '[::]:8080'],
    gatewayPorts: [80],
  } as const
  expect(listenersText([listener])).toBe('*:8080::0.0.0.0:8080\n*:8080::[::]:8080\n')
})
