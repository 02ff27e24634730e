import type { DnsHost, DnsReport } from './dns-records.ts'

/** Seconds the suggested records may be kept. */
const RECORD_TTL_SECONDS = 300
/** Commands to try, one for each host that has an address, up to this many. */
const MAX_COMMANDS = 3

/** What stands behind the table: notes, missing values with the ways out, records, commands. */
export function dnsText(report: DnsReport): string {
  const { hosts, waysOut } = report
  const sections: string[] = []
  const missing = hosts.filter(({ state }) => state !== 'ready')
  for (const [reason, of] of byReason(missing)) {
    sections.push(`${of.join(', ')}: ${reason}\n`)
  }
  if (waysOut.length > 0) {
    const ways = waysOut.map((way, index) => `  ${index + 1}. ${way}\n`).join('')
    sections.push(`The address of a Pod is never the one to publish. Ways to an address:\n${ways}`)
  }
  const notes = hosts.flatMap((one) => one.notes.map((note) => `  ${one.host}: ${note}\n`))
  if (notes.length > 0) sections.push(`To mind:\n${[...new Set(notes)].join('')}`)
  const records = hosts.flatMap((one) => one.records.map(zoneLine))
  if (records.length > 0) sections.push(`As lines of a zone:\n${[...new Set(records)].join('')}`)
  const commands = hosts.flatMap(curlLine).slice(0, MAX_COMMANDS)
  if (commands.length > 0) sections.push(`Before DNS knows:\n${commands.join('')}`)
  return sections.map((section) => `\n${section}`).join('')
}

function byReason(hosts: readonly DnsHost[]): ReadonlyMap<string, readonly string[]> {
  const reasons = new Map<string, string[]>()
  for (const { host, reason } of hosts) {
    const known = reasons.get(reason ?? '')
    if (known === undefined) reasons.set(reason ?? '', [host])
    else if (!known.includes(host)) known.push(host)
  }
  return reasons
}

function zoneLine({ name, type, value }: DnsHost['records'][number]): string {
  const target = type === 'CNAME' ? `${value}.` : value
  return `  ${name}. ${RECORD_TTL_SECONDS} IN ${type} ${target}\n`
}

function curlLine({ host, ports, records }: DnsHost): readonly string[] {
  const [record] = records
  if (record === undefined || record.type === 'CNAME' || host.startsWith('*')) return []
  const port = ports.find((one) => one === 443) ?? ports[0]
  if (port === undefined) return []
  const value = record.type === 'AAAA' ? `[${record.value}]` : record.value
  const scheme = port === 443 ? 'https' : 'http'
  return [`  curl --resolve ${host}:${port}:${value} ${scheme}://${host}:${port}/\n`]
}
