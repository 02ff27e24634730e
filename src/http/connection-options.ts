import type { FieldBlock } from './field-block.ts'
import { isToken } from './field-syntax.ts'

/** Envoy and others stop at a similar number; a longer list is an attack on the stripping itself. */
export const MAX_CONNECTION_TOKENS = 64

/**
 * What a Connection field said (RFC 9110 7.6.1). The fields it names are dropped from the block on
 * the way; names of framing fields and of Host are ignored, they are not in `block.fields` anyway.
 */
export class ConnectionOptions {
  close = false
  keepAlive = false
  upgrade = false

  /** False when the field is malformed or too long. */
  read(block: FieldBlock): boolean {
    this.close = false
    this.keepAlive = false
    this.upgrade = false
    const text = block.connection
    if (text === null) return true
    let count = 0
    let at = 0
    while (at <= text.length) {
      let end = text.indexOf(',', at)
      if (end === -1) end = text.length
      const token = text.slice(at, end).trim().toLowerCase()
      at = end + 1
      if (token === '') continue
      if (++count > MAX_CONNECTION_TOKENS || !isToken(token)) return false
      if (token === 'close') this.close = true
      else if (token === 'keep-alive') this.keepAlive = true
      else if (token === 'upgrade') this.upgrade = true
      else block.drop(token)
    }
    return true
  }
}
