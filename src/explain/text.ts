import type {
  ElsewhereHint,
  ExplainedListener,
  ExplainedRequest,
  ExplainedRule,
  ExplainedTls,
  ExplainedVirtualHost,
  Explanation,
  Place,
} from './explanation.ts'
import { resourceName } from './resource-places.ts'
import { destinationLines, routeLines } from './route-text.ts'
import { type Line, line, more } from './text-line.ts'

/** An explanation for people: what happens first, then how it came to that. */
export function explanationText(explanation: Explanation): string {
  const { outcome, request, listener, tls, authentication, virtualHost, rules, route } = explanation
  const lines: Line[] = [
    `=> ${outcome.summary}`,
    ...outcome.hints.map((hint) => `   ${hint}`),
    '',
    ...(request === null ? [] : requestLines(request)),
    ...(listener === null ? [] : listenerLines(listener)),
    ...(tls === null ? [] : tlsLines(tls)),
    ...(authentication === null ? [] : [line('token', authentication.text)]),
    ...(virtualHost === null ? [] : virtualHostLines(virtualHost)),
    ...allRuleLines(rules),
    ...(route === null ? [] : routeLines(route)),
    ...explanation.destinations.flatMap((one) => destinationLines(one, explanation.live)),
    ...elsewhereLines(explanation.elsewhere),
    ...problemLines(explanation.problems),
  ]
  return lines.map((one) => `${withoutControls(one).trimEnd()}\n`).join('')
}

/** Names of the configuration stand in the text: none of them may steer a terminal. */
export function withoutControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  return text.replace(/[\0-\x1f\x7f-\x9f]/g, ' ')
}

/** `VirtualService shop/web spec.http[0].match[1] (web.yaml:12)` */
export function placeText(place: Place): string {
  const { kind, path } = place
  const named = `${kind} ${resourceName(place)}`.trimEnd()
  return [named, path, fileText(place)].filter((part) => part !== '').join(' ')
}

function fileText({ file, line: at }: Place): string {
  return file === null ? '' : `(${file}${at === null ? '' : `:${at}`})`
}

function requestLines(request: ExplainedRequest): readonly Line[] {
  const { method, scheme, authority, path, query, sentTarget, clientAddress } = request
  const lines = [
    line(
      'request',
      `${`${method} ${path}${query}`.trimEnd()}  host ${authority}  ${scheme}  from ${clientAddress}`,
    ),
  ]
  if (sentTarget !== null) lines.push(more('normalised', `the client sends ${sentTarget}`))
  return lines
}

function listenerLines(listener: ExplainedListener): readonly Line[] {
  const { key, type, gatewayPorts, addresses, routeTable, servers } = listener
  const ports = gatewayPorts.length === 0 ? '' : `  Gateway port ${gatewayPorts.join(', ')}`
  const table = routeTable === null ? '' : `  route table ${routeTable}`
  const bound = addresses.length === 0 ? '' : `  bound to ${addresses.join(', ')}`
  return [
    line('listener', `${key}  ${type}${ports}${table}${bound}`),
    ...servers.map(({ gateway, hosts, place }) =>
      more(
        'server',
        `${place === null ? `Gateway ${gateway}` : placeText(place)}  hosts ${hosts.join(', ')}`,
      ),
    ),
  ]
}

function tlsLines(tls: ExplainedTls): Line[] {
  const { serverName, chains, certificates, minVersion, alpn, failures } = tls
  const lines = [line('TLS', `server name ${serverName ?? '(none)'}`)]
  for (const { name, chosen, reason, place } of chains) {
    const where = place === null ? '' : `  ${fileText(place)}`
    lines.push(more(chosen ? 'chosen' : 'not', `${name}  ${reason}${where}`))
  }
  if (certificates.length > 0) lines.push(more('certificate', certificates.join(', ')))
  if (minVersion !== null && alpn.length > 0) {
    lines.push(more('', `${minVersion} and above, ALPN ${alpn.join(', ')}`))
  }
  for (const { at, reason, detail, remoteAddress, alpn: offered, chain } of failures) {
    const said = detail === '' ? reason : `${reason} (${detail})`
    const server = chain === null ? 'no server chosen' : `server ${chain}`
    const protocols = offered.length === 0 ? 'no ALPN' : `ALPN ${offered.join(', ')}`
    lines.push(more('failed', `${at}  ${remoteAddress}  ${said}, ${server}, ${protocols}`))
  }
  return lines
}

function virtualHostLines({
  name,
  domain,
  match,
  unknownHost,
  sources,
}: ExplainedVirtualHost): Line[] {
  const how = {
    exact: `by its domain ${domain}`,
    wildcard: `by the wildcard ${domain}`,
    any: unknownHost ? 'for hosts that nobody declares' : 'by *',
    address: `by the address ${domain}`,
  }[match]
  return [
    line('virtual host', `${name}  ${how}`),
    ...sources.map((place) => more('from', placeText(place))),
  ]
}

/** Rules behind the winner that are listed; JSON has them all. */
const MAX_NOT_REACHED = 10

function allRuleLines(rules: readonly ExplainedRule[]): readonly Line[] {
  const reached = rules.filter(({ verdict }) => verdict !== 'not-reached')
  const behind = rules.slice(reached.length)
  const left = behind.length - MAX_NOT_REACHED
  const rest = left > 0 ? [more('', `and ${left} more rules that are not reached`)] : []
  return [...reached, ...behind.slice(0, MAX_NOT_REACHED)].flatMap(ruleLines).concat(rest)
}

const VERDICTS = { matched: 'MATCHED', rejected: 'rejected', 'not-reached': 'not reached' } as const

/** A rule with its conditions. */
export function ruleLines(rule: ExplainedRule): readonly Line[] {
  const { position, verdict, wouldMatch, name, place, conditions } = rule
  const word = wouldMatch ? 'not reached, matches too' : VERDICTS[verdict]
  const title = name === '' ? '' : `  "${name}"`
  const first = line(`rule ${position}`, `${word}  ${placeText(place)}${title}`)
  if (verdict === 'not-reached') return [first]
  if (conditions.length === 0) return [first, more('', 'every request')]
  return [
    first,
    ...conditions.map(({ condition, holds, reason }) =>
      more('', holds ? `ok: ${condition}` : `no: ${reason ?? condition}`),
    ),
  ]
}

function elsewhereLines(hints: readonly ElsewhereHint[]): readonly Line[] {
  return hints.flatMap(({ place, reason }) => [
    line('elsewhere', placeText(place)),
    more('', `not used here: ${reason}`),
  ])
}

function problemLines(problems: Explanation['problems']): readonly Line[] {
  return problems.flatMap(({ place, message }) => [
    line('problem', placeText(place)),
    more('', message),
  ])
}
