import { describe, expect, test } from 'vitest'
import type { MeshConfigSpec } from '../config/mesh-config.ts'
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
      trustedPeers: null,
      proxyProtocol: false,
      foreignForwardedHost: false,
      forwardedHost: false,
      forwardedPort: false,
      clientCert: {
        mode: 'SANITIZE_SET',
        subject: true,
        cert: true,
        chain: false,
        dns: true,
        uri: true,
      },
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

describe('what the edge says of clients', () => {
  const settings = (defaultConfig: MeshConfigSpec['defaultConfig'], compat = false) =>
    meshSettings({ ...(defaultConfig && { defaultConfig }) }, compat, new Findings())

  test('a negative number of trusted proxies is none, with a finding', () => {
    const findings = new Findings()
    const mesh = { defaultConfig: { gatewayTopology: { numTrustedProxies: -1 } } }
    expect(meshSettings(mesh, false, findings).trustedProxies).toBe(0)
    expect(findings.sorted().map(({ code }) => code)).toEqual(['trusted-proxies-negative'])
  })

  test('trusted peers are those of the flag', () => {
    const { trustedPeers } = meshSettings(null, false, new Findings(), {
      trustedProxies: ['10.0.0.0/8'],
    })
    expect([trustedPeers!.has('10.1.1.1'), trustedPeers!.has('11.1.1.1')]).toEqual([true, false])
  })

  test("--compat lets a stranger's x-forwarded-host pass", () => {
    expect(settings({}, true).foreignForwardedHost).toBe(true)
  })

  test.each([
    ['UNDEFINED', 'SANITIZE_SET'],
    ['SANITIZE', 'SANITIZE'],
    ['APPEND_FORWARD', 'APPEND_FORWARD'],
  ] as const)('forwardClientCertDetails %s means %s', (forwardClientCertDetails, mode) => {
    const { clientCert } = settings({ gatewayTopology: { forwardClientCertDetails } })
    expect(clientCert).toMatchObject({ mode, cert: true })
  })

  test('setCurrentClientCertDetails brings defaults of its own', () => {
    const proxyHeaders = { setCurrentClientCertDetails: { chain: true, dns: false } }
    expect(settings({ proxyHeaders }).clientCert).toEqual({
      mode: 'SANITIZE_SET',
      subject: true,
      cert: false,
      chain: true,
      dns: false,
      uri: true,
    })
  })

  test('xForwardedHost and xForwardedPort', () => {
    const proxyHeaders = { xForwardedHost: { enabled: true }, xForwardedPort: { enabled: true } }
    expect(settings({ proxyHeaders })).toMatchObject({ forwardedHost: true, forwardedPort: true })
  })
})
