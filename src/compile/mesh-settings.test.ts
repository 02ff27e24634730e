import { describe, expect, test } from 'vitest'
import { connectionSettings } from './connection-settings.ts'
import { Findings } from './findings.ts'
import { meshSettings } from './mesh-settings.ts'

describe('MeshConfig settings', () => {
  test("without MeshConfig: Istio's defaults, with the access log on", () => {
    expect(meshSettings(null, false, new Findings())).toEqual({
      accessLog: {
        enabled: true,
        file: '/dev/stdout',
        encoding: 'TEXT',
        textFormat: null,
        jsonFormat: null,
      },
      trustedProxies: 0,
      serverHeader: 'istio-envoy',
      requestIdHeader: true,
      attemptCountHeader: true,
      debugHeaders: true,
      connections: connectionSettings({}, false, new Findings()),
      drainDurationMs: 45_000,
      retryAnyMethod: false,
    })
  })

  test.each([
    [{}, false],
    [{ accessLogFile: '' }, false],
    [{ accessLogFile: '/dev/stdout' }, true],
  ])('a MeshConfig %o decides about the access log: %s', (mesh, enabled) => {
    expect(meshSettings(mesh, false, new Findings()).accessLog.enabled).toBe(enabled)
  })

  test.each([
    [null, '/dev/stdout'],
    [{}, '/dev/stdout'],
    [{ accessLogFile: '/dev/stderr' }, '/dev/stderr'],
    [{ accessLogFile: '/var/log/access.log' }, '/var/log/access.log'],
  ])('a MeshConfig %o writes to %s', (mesh, file) => {
    expect(meshSettings(mesh, false, new Findings()).accessLog.file).toBe(file)
  })

  test('a text format gets its newline, once', () => {
    const format = (accessLogFormat: string): string | null =>
      meshSettings({ accessLogFormat }, false, new Findings()).accessLog.textFormat
    expect(format('%PROTOCOL%')).toBe('%PROTOCOL%\n')
    expect(format('%PROTOCOL%\n')).toBe('%PROTOCOL%\n')
  })

  test('a JSON format is an object of strings', () => {
    const mesh = { accessLogEncoding: 'JSON' as const, accessLogFormat: '{"p":"%PROTOCOL%","n":1}' }
    expect(meshSettings(mesh, false, new Findings()).accessLog.jsonFormat).toEqual({
      p: '%PROTOCOL%',
    })
  })

  test.each(['{', '[]', 'null', '"x"'])(
    'the JSON format %s falls back to the default and is reported',
    (accessLogFormat) => {
      const findings = new Findings()
      const { accessLog } = meshSettings(
        { accessLogEncoding: 'JSON', accessLogFormat },
        false,
        findings,
      )
      expect(accessLog.jsonFormat).toBeNull()
      expect(findings.sorted().map(({ code }) => code)).toEqual(['access-log-format-invalid'])
    },
  )

  test('ProxyConfig switches headers off', () => {
    const proxyHeaders = {
      server: { disabled: true },
      requestId: { disabled: true },
      attemptCount: { disabled: true },
      envoyDebugHeaders: { disabled: true },
    }
    const mesh = {
      pathNormalization: { normalization: 'NONE' as const },
      defaultConfig: {
        proxyHeaders,
        gatewayTopology: { numTrustedProxies: 2 },
        drainDuration: '5s',
      },
    }
    expect(meshSettings(mesh, false, new Findings())).toMatchObject({
      trustedProxies: 2,
      serverHeader: null,
      requestIdHeader: false,
      attemptCountHeader: false,
      debugHeaders: false,
      connections: { paths: { normalize: false } },
      drainDurationMs: 5000,
    })
  })
})
