import { describe, expect, it } from 'vitest'
import { findMeshConfig, parseMeshConfig } from './mesh-config.ts'
import { ResourceStore } from './store.ts'

const CONFIG_MAP = `apiVersion: v1
kind: ConfigMap
metadata:
  name: istio
  namespace: istio-system
data:
  mesh: |-
    outboundTrafficPolicy:
      mode: REGISTRY_ONLY
    dnsRefreshRate: often
`

describe('MeshConfig', () => {
  it('is read from a file of its own, other fields being a note', () => {
    const { spec, problems } = parseMeshConfig(
      'outboundTrafficPolicy: {mode: registry_only}\nproxyListenPort: 15001\nconnectTimeout: 3s\n',
      'mesh.yaml',
    )
    expect(spec).toEqual({ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, connectTimeout: '3s' })
    expect(problems).toMatchObject([
      { severity: 'warning', code: 'enum-repaired', line: 1 },
      { severity: 'info', code: 'unused-field', line: 2, file: 'mesh.yaml' },
    ])
  })

  it('warns when an unknown field looks like a typo: a policy would be lost', () => {
    const { problems } = parseMeshConfig('outboundTraficPolicy: {mode: REGISTRY_ONLY}\n', null)
    expect(problems).toMatchObject([
      { severity: 'warning', hint: 'did you mean `outboundTrafficPolicy`?' },
    ])
  })

  it('is read from a file that holds its ConfigMap, with the lines of that file', () => {
    const { spec, problems } = parseMeshConfig(CONFIG_MAP, 'cm.yaml')
    expect(spec).toEqual({ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } })
    expect(problems).toMatchObject([
      {
        severity: 'error',
        code: 'bad-duration',
        line: 10,
        path: ['data', 'mesh', 'dnsRefreshRate'],
      },
    ])
  })

  it('is found in the root namespace only', () => {
    const { set } = new ResourceStore({ compat: false }).load([
      { path: 'cm.yaml', text: CONFIG_MAP, error: null },
    ])
    expect(findMeshConfig(set, 'istio-system')?.spec.outboundTrafficPolicy).toEqual({
      mode: 'REGISTRY_ONLY',
    })
    expect(findMeshConfig(set, 'istio-system')?.problems).toMatchObject([
      { line: 10, file: 'cm.yaml' },
    ])
    expect(findMeshConfig(set, 'default')).toBeNull()
  })

  it.each(['', '[]', 'a: [', '"x"', '{}'])('%j gives an empty spec', (text) => {
    expect(parseMeshConfig(text, null).spec).toEqual({})
  })
})
