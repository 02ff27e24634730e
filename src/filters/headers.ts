/** A filter that answers makes its own header list: the one value of the wire that filters need. */
export { Headers } from '../http/headers.ts'
