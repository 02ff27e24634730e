import { describe, expect, it } from 'vitest'
import { closest } from './closest.ts'

const FIELDS = [
  'metadata',
  'name',
  'namespace',
  'hosts',
  'http',
  'uri',
  'maxConnections',
  'h2UpgradePolicy',
]

describe('closest', () => {
  it.each([
    ['metadataL', 'metadata'],
    ['metdata', 'metadata'],
    ['Hosts', 'hosts'],
    ['host', 'hosts'],
    ['naem', 'name'],
    ['ur', 'uri'],
    ['maxConections', 'maxConnections'],
    ['MAXCONNECTIONS', 'maxConnections'],
  ])('%s most likely meant %s', (word, expected) => {
    expect(closest(word, FIELDS)).toBe(expected)
  })

  it.each(['protocol', 'xx', '', 'a', 'x'.repeat(1000)])('%j is near nothing', (word) => {
    expect(closest(word, FIELDS)).toBeNull()
  })

  it('prefers the nearer word, then the earlier one', () => {
    expect(closest('http', ['https', 'http'])).toBe('http')
    expect(closest('porta', ['ports', 'portb'])).toBe('ports')
  })
})
