import { expect, test } from 'vitest'
import { explained, explainerOf } from '../../test/support/explain.ts'
import { gateway, service, virtualService } from '../../test/support/yaml.ts'
import { explanationText } from './text.ts'

const YAML = [
  service('web', 9000),
  gateway('gw', ['shop.test']),
  virtualService(
    'shop',
    ['shop.test'],
    ['gw'],
    `  - name: jason
    match: [{ uri: { prefix: /cart }, headers: { end-user: { exact: jason } } }]
    directResponse: { status: 200 }
  - name: cart
    match: [{ uri: { prefix: /cart } }]
    timeout: 2s
    route: [{ destination: { host: web } }]
  - name: rest
    route: [{ destination: { host: web } }]`,
  ),
].join('')

test('an explanation reads from the outcome down to the endpoint', () => {
  const text = explanationText(explained(explainerOf(YAML), 'http://shop.test/cart?x=1'))
  expect(text).toBe(`=> forwarded to outbound|8080||web.default.svc.cluster.local

request       GET /cart?x=1  host shop.test  http  from 127.0.0.1
listener      *:80  http  Gateway port 80  route table http.80
  server      Gateway default/gw spec.servers[0] (test.yaml:18)  hosts shop.test
virtual host  shop.test:80  by its domain shop.test
  from        VirtualService default/shop (test.yaml:21)
rule 1        rejected  VirtualService default/shop spec.http[0].match[0] (test.yaml:29)  "jason"
              ok: path prefix /cart
              no: header end-user is missing, exact 'jason' asked
rule 2        MATCHED  VirtualService default/shop spec.http[1].match[0] (test.yaml:32)  "cart"
              ok: path prefix /cart
rule 3        not reached, matches too  VirtualService default/shop spec.http[2] (test.yaml:35)  "rest"
action        forward
  sent as     /cart?x=1  host shop.test
  timeout     2000 ms
  retries     2 more, on connect-failure, refused-stream, unavailable, cancelled, retriable-status-codes
destination   100 %  outbound|8080||web.default.svc.cluster.local
  cluster     http1  least-request  TLS off  endpoints static
  endpoint    127.0.0.1:9000
`)
})

test('names of the configuration cannot steer a terminal', () => {
  const yaml = YAML.replace('name: rest', 'name: "re\\e[31mst"')
  const text = explanationText(explained(explainerOf(yaml), 'http://shop.test/'))
  expect(text).toContain('re [31mst')
})
