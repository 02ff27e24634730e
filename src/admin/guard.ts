import { isIP } from 'node:net'

/** Why a request is refused, or null. */
export type Refusal = string | null

/**
 * Keeps web pages away from the admin API. A page that a browser shows may send requests here:
 * its Origin then differs from Host. A page whose own name was pointed at a loopback address (DNS
 * rebinding) sends that name as Host, which a loopback-bound server has no reason to accept.
 */
export class Guard {
  readonly #boundHost: string
  readonly #loopback: boolean

  /** `boundHost`: address the server binds, without brackets. */
  constructor(boundHost: string) {
    this.#boundHost = boundHost.toLowerCase()
    this.#loopback = isLoopback(this.#boundHost)
  }

  check(host: string | undefined, origin: string | undefined): Refusal {
    if (this.#loopback && !this.#isOwnHost(hostname(host ?? ''))) {
      return 'Host is not a loopback address: this server answers requests from this machine only'
    }
    if (origin !== undefined && origin.toLowerCase() !== `http://${(host ?? '').toLowerCase()}`) {
      return 'Origin is another site'
    }
    return null
  }

  #isOwnHost(name: string): boolean {
    return name === this.#boundHost || isLoopback(name)
  }
}

function isLoopback(name: string): boolean {
  if (name === 'localhost' || name === '::1') return true
  return isIP(name) === 4 && name.startsWith('127.')
}

/** Host of a Host field: lower-case, without port and brackets. */
function hostname(host: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host.toLowerCase())
  return match?.[1] ?? match?.[2] ?? ''
}
