/** What the next bytes from the backend are. */
export const IDLE = 0
export const HEAD = 1
export const BODY = 2
export const UNTIL_CLOSE = 3
export const TUNNEL = 4
export const CLOSED = 5
/** A request was taken, and waits to be sent. */
export const UNSENT = 6
