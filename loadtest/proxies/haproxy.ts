import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, installed, type ProxyKind, startPinned } from './proxy.ts'

export const haproxy: ProxyKind = {
  name: 'haproxy',
  missing: () => (installed('haproxy') ? null : 'not installed (Debian: apt-get install haproxy)'),
  async start({ backendPort, folder, core, scenario, tls }) {
    const secure = scenario.tls
      ? ` ssl crt ${tls.combined} alpn ${scenario.http2 ? 'h2,' : ''}http/1.1`
      : ''
    const port = await freePort()
    const file = join(folder, 'haproxy.cfg')
    writeFileSync(
      file,
      `global
  maxconn 4096
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend bench
  bind 127.0.0.1:${port}${secure}
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  default_backend backend
backend backend
  server one 127.0.0.1:${backendPort}
`,
    )
    return startPinned(core, 'haproxy', ['-q', '-db', '-f', file], port)
  },
}
