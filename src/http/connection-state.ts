/** What the next bytes from the client are. */
export const HEAD = 0
export const BODY = 1
/** The request is complete, or waits for a tunnel: bytes are held until the answer is out. */
export const HOLD = 2
export const TUNNEL = 3
/** Our side is closed: what still comes is thrown away. */
export const DISCARD = 4
