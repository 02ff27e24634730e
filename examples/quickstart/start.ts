import { createServer } from 'node:net'
import { join } from 'node:path'
import { packageVersion } from '../../src/cli/version.ts'
import type { BindAddress } from '../../src/listeners/bind-address.ts'
import { Gateway } from '../../src/process/gateway.ts'
import { createLog } from '../../src/process/log.ts'
import { STDOUT_FD } from '../../src/process/run-options.ts'
import { writeGeneratedConfig } from './generated.ts'
import { startUpstream } from './upstreams.ts'

/**
 * What `npm start` runs: demo upstreams, a development certificate and one gateway over
 * examples/quickstart/config, all on loopback. Ports that are taken are replaced by free ones.
 */
const HOST = '127.0.0.1'
const DRAIN_MS = 2000

const upstreams = {
  httpd: await startUpstream(() => 'hello httpd'),
  httpd2: await startUpstream(() => 'hello httpd2'),
  calcclient: await startUpstream((path) => `hello calcclient: ${path}`),
  baidu: await startUpstream(() => 'hello from the endpoint behind www.baidu.com'),
}
const generated = writeGeneratedConfig({
  httpd: upstreams.httpd.port,
  httpd2: upstreams.httpd2.port,
  calcclient: upstreams.calcclient.port,
  baidu: upstreams.baidu.port,
})

// However it ends: the folder holds a private key.
process.on('exit', () => generated.remove())

const log = createLog('info', process.stderr.isTTY ? 'pretty' : 'json')
const gateway = await Gateway.start(
  {
    config: [join(import.meta.dirname, 'config'), generated.folder],
    watch: true,
    labels: [{ istio: 'ingressgateway' }],
    namespace: 'istio-system',
    domain: 'cluster.local',
    locality: '',
    nodeName: '',
    listen: new Map([
      [80, await preferred(8080)],
      [443, await preferred(8443)],
    ]),
    egress: [await preferred(15001)],
    egressAllow: [],
    resolvers: [],
    meshConfig: null,
    redisUrl: process.env['REDIS_URL'] ?? null,
    rateLimitConfig: null,
    trustedProxies: [],
    admin: await preferred(15000),
    status: await preferred(15021),
    plugins: [],
    compat: false,
    limits: new Map(),
    strict: true,
    drainTimeoutMs: DRAIN_MS,
    drainDelayMs: 0,
    accessLogFd: STDOUT_FD,
    logLevel: 'info',
    logFormat: process.stderr.isTTY ? 'pretty' : 'json',
  },
  log,
  packageVersion(),
)
printWhatToTry()

let stopping = false
function stop(): void {
  if (stopping) process.exit(0)
  stopping = true
  void gateway.drain({ delayMs: 0, timeoutMs: DRAIN_MS }).then(() => {
    for (const upstream of Object.values(upstreams)) upstream.close()
    process.exit(0)
  })
}
process.on('SIGINT', stop)
process.on('SIGTERM', stop)

/** The port itself when nothing else has it, else any free one. */
async function preferred(port: number): Promise<BindAddress> {
  const free = await new Promise<boolean>((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, HOST, () => probe.close(() => resolve(true)))
  })
  return { host: HOST, port: free ? port : 0 }
}

function portOf(gatewayPort: number): number {
  return gateway.boundListeners.find((bound) => bound.gatewayPorts.includes(gatewayPort))!.port
}

function printWhatToTry(): void {
  const http = portOf(80)
  const https = portOf(443)
  const egress = gateway.boundListeners.find((bound) => bound.type === 'egress')!.port
  console.log(`
Tidegate serves examples/quickstart. Try, in another terminal:

# a public host through the Gateway, on HTTP and on HTTPS
curl -H 'Host: calcclient.com' http://${HOST}:${http}/calc
curl --cacert ${generated.authorityFile} --resolve calcclient.com:${https}:${HOST} https://calcclient.com:${https}/calc

# a service inside, split 20/80 over two versions: as a pod calls it, through the egress proxy
for i in 1 2 3 4 5 6 7 8 9 10; do curl -s -x http://${HOST}:${egress} http://web-svc:8080/; done | sort | uniq -c

# a public name that a ServiceEntry leads to a fixed endpoint, and one that nobody declared
curl -x http://${HOST}:${egress} http://www.baidu.com:8080/
curl -x http://${HOST}:${egress} http://example.org/

# Istio's rate limit: /limited takes 3 requests a minute
for i in 1 2 3 4 5; do curl -s -o /dev/null -w '%{http_code}\\n' -H 'Host: calcclient.com' http://${HOST}:${http}/limited; done

# what the gateway knows: http://${gateway.adminAddress}/ (listeners, clusters, problems, config_dump)

Edit a file under examples/quickstart/config and it is served within a second. Ctrl-C ends it.
`)
}
