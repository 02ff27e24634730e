import { type EgressLine, remedy } from './egress-line.ts'
import { clientOf } from './egress-top.ts'

const QUIET_MS = 60_000
/** Pairs whose last notice is remembered. */
export const MAX_PAIRS = 4096
/** Lines of one minute, whatever the pairs: who asks for random names does not fill the log. */
export const MAX_PER_MINUTE = 60

/** Says in the process log who was refused what: each host and client at most once a minute. */
export class EgressNotices {
  readonly #say: (fields: object, message: string) => void
  readonly #now: () => number
  readonly #said = new Map<string, number>()
  #minuteEnds = 0
  #saidThisMinute = 0
  #kept = 0

  constructor(say: (fields: object, message: string) => void, now: () => number = Date.now) {
    this.#say = say
    this.#now = now
  }

  notice(line: EgressLine): void {
    const now = this.#now()
    const client = clientOf(line)
    const key = `${line.host} ${line.port} ${client} ${line.verdict}`
    const said = this.#said.get(key)
    if (said !== undefined && now - said < QUIET_MS) return
    if (!this.#hasRoom(now)) return
    this.#said.delete(key)
    if (this.#said.size >= MAX_PAIRS) this.#said.delete(this.#said.keys().next().value!)
    this.#said.set(key, now)
    const { host, port, verdict } = line
    const what = verdict === 'would-block' ? 'would be blocked' : 'is blocked'
    const fields = { host, port, client, clientAddress: line.clientAddress, verdict }
    this.#say(fields, `egress ${what}; it would be allowed by ${remedy(line)}`)
  }

  #hasRoom(now: number): boolean {
    if (now >= this.#minuteEnds) {
      if (this.#kept > 0) {
        this.#say({ pairs: this.#kept }, 'more refused egress than was logged: see /egress')
      }
      this.#minuteEnds = now + QUIET_MS
      this.#saidThisMinute = 0
      this.#kept = 0
    }
    if (this.#saidThisMinute < MAX_PER_MINUTE) {
      this.#saidThisMinute++
      return true
    }
    this.#kept++
    return false
  }
}
