import type { Reporter } from '../reporter.ts'
import type { SecretBody } from './kubernetes.ts'

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * The Secret as the API server would store it: `stringData` encoded and merged over `data`. Values
 * that are not base64 are errors; no message shows a value.
 */
export function mergeSecretData(body: SecretBody, reporter: Reporter): SecretBody {
  const data: Record<string, string> = Object.create(null)
  for (const [key, value] of Object.entries(body.data ?? {})) {
    const packed = value.replace(/[\r\n]/g, '')
    if (!BASE64.test(packed)) {
      const hint = 'encode the value with base64, or put it under `stringData` as it is'
      reporter.error('bad-base64', ['data', key], `data.${key} is not base64`, hint)
    }
    data[key] = packed
  }
  for (const [key, value] of Object.entries(body.stringData ?? {})) {
    data[key] = Buffer.from(value, 'utf8').toString('base64')
  }
  const merged = body.type === undefined ? { data } : { type: body.type, data }
  Object.freeze(data)
  return Object.freeze(merged)
}
