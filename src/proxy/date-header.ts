let second = -1
let text = ''

/** The Date header's value (RFC 9110 5.6.7), rebuilt once a second. */
export function dateHeader(nowMs: number): string {
  const current = Math.floor(nowMs / 1000)
  if (current !== second) {
    second = current
    text = new Date(nowMs).toUTCString()
  }
  return text
}
