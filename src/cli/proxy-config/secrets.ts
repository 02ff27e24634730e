import type { CertificateDescription } from '../../admin/admin-state.ts'
import { isWanted, type Selection } from './selection.ts'

/** A served certificate as `/certs` has it; there is no key in it. */
export type SecretEntry = CertificateDescription & {
  /** `BROKEN`: it could not be loaded, `problem` says why. */
  readonly status: 'ACTIVE' | 'BROKEN'
  /** It is loaded, and now is between notBefore and notAfter. */
  readonly valid: boolean
}

export const SECRET_TITLES = [
  'RESOURCE NAME',
  'TYPE',
  'STATUS',
  'VALID CERT',
  'SERIAL NUMBER',
  'NOT AFTER',
  'NOT BEFORE',
]

export function secretEntries(
  certificates: readonly CertificateDescription[],
  { name }: Selection,
  nowMs: number,
): readonly SecretEntry[] {
  return certificates
    .filter((one) => isWanted(name, one.name))
    .map((one) => {
      const status = one.problem === '' ? 'ACTIVE' : 'BROKEN'
      const begun = Date.parse(one.notBefore) <= nowMs
      return {
        ...one,
        status,
        valid: status === 'ACTIVE' && begun && nowMs <= Date.parse(one.notAfter),
      }
    })
}

export function secretRows(entries: readonly SecretEntry[]): readonly (readonly string[])[] {
  return entries.map(({ name, status, valid, serialNumber, notAfter, notBefore }) => [
    name,
    'Cert Chain',
    status,
    String(valid),
    serialNumber.toLowerCase(),
    seconds(notAfter),
    seconds(notBefore),
  ])
}

/** Without milliseconds. */
function seconds(time: string): string {
  return time.replace(/\.\d+Z$/, 'Z')
}
