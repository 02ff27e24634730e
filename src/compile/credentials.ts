import { SecretText } from '../base/secret-text.ts'
import type { SecretBody } from '../config/kinds/kubernetes.ts'
import type { Resource } from '../config/resource.ts'
import { keyPairError } from '../tls/key-pair.ts'
import type { CertificateSource } from '../tls/plan.ts'
import { describe } from './findings.ts'

/** What is wrong with a credential, for a finding. */
interface CredentialFault {
  readonly code: string
  readonly message: string
  readonly hint: string | null
}

export type Found<T> =
  | { readonly found: true; readonly value: T }
  | {
      readonly found: false
      readonly fault: CredentialFault
      /** It is there and cannot be used: its last good version may be served instead. */
      readonly broken: T | null
    }

const KUBERNETES_PREFIX = 'kubernetes://'
const CA_SUFFIX = '-cacert'
const SERVED_FORMS = 'write the name of a Secret in the namespace of the gateway'

/**
 * `credentialName`s: Secrets of the namespace the process stands in, whatever the namespace of the
 * resource that names them.
 */
export class Credentials {
  readonly #secrets = new Map<string, Resource<SecretBody>>()
  readonly #namespace: string

  constructor(secrets: readonly Resource<SecretBody>[], namespace: string) {
    this.#namespace = namespace
    for (const secret of secrets) {
      this.#secrets.set(`${secret.metadata.namespace}/${secret.metadata.name}`, secret)
    }
  }

  /** Keys `cert` and `key` go before `tls.crt` and `tls.key`. */
  keyPair(credentialName: string): Found<CertificateSource> {
    const secret = this.#find(credentialName)
    if (!secret.found) return { ...secret, broken: null }
    const name = `kubernetes://${secret.value.metadata.namespace}/${secret.value.metadata.name}`
    const fields = new SecretFields(secret.value)
    for (const [certKey, keyKey] of [
      ['cert', 'key'],
      ['tls.crt', 'tls.key'],
    ] as const) {
      const certificate = fields.text(certKey)
      const key = fields.text(keyKey)
      if (certificate === null || key === null) continue
      if (certificate === '' || key === '') {
        return missing(
          'secret-keys-empty',
          `Secret ${describe(secret.value)}: found keys ${certKey} and ${keyKey}, but they were empty`,
        )
      }
      const source = { kind: 'pem', name, certificate, key: new SecretText(key) } as const
      const wrong = keyPairError(certificate, key)
      if (wrong === null) return { found: true, value: source }
      const message = `Secret ${describe(secret.value)}: ${wrong}`
      return {
        found: false,
        fault: { code: 'secret-invalid', message, hint: null },
        broken: source,
      }
    }
    return missing(
      'secret-keys-missing',
      `found Secret ${describe(secret.value)}, but it has neither the keys cert and key nor tls.crt and tls.key; found: ${fields.names()}`,
    )
  }

  /** CA bundle: the Secret `<name>-cacert` first, else the Secret itself; null when neither has one. */
  certificateAuthority(credentialName: string): string | null {
    for (const name of [`${credentialName}${CA_SUFFIX}`, credentialName]) {
      const secret = this.#find(name)
      if (!secret.found) continue
      const fields = new SecretFields(secret.value)
      const bundle = fields.text('cacert') ?? fields.text('ca.crt')
      if (bundle !== null && bundle !== '') return bundle
    }
    return null
  }

  /** Revocation lists (`crl` beside `cacert`, `ca.crl` beside `ca.crt`) of the CA bundle, or null. */
  revocationList(credentialName: string): string | null {
    for (const name of [`${credentialName}${CA_SUFFIX}`, credentialName]) {
      const secret = this.#find(name)
      if (!secret.found) continue
      const fields = new SecretFields(secret.value)
      const own = fields.text('cacert') ?? ''
      const bundle = fields.text('cacert') ?? fields.text('ca.crt') ?? ''
      if (bundle === '') continue
      const list = (own === '' ? fields.text('ca.crl') : fields.text('crl')) ?? ''
      return list === '' ? null : list
    }
    return null
  }

  /** `kubernetes://namespace/name` of the Secret that is meant. */
  nameOf(credentialName: string): string {
    const name = localName(credentialName, this.#namespace) ?? credentialName
    return `${KUBERNETES_PREFIX}${this.#namespace}/${name}`
  }

  #find(credentialName: string): Found<Resource<SecretBody>> {
    const name = localName(credentialName, this.#namespace)
    if (name === null) {
      const message = `credential ${credentialName} is of a form that is not served`
      return missing('credential-form-not-served', message, SERVED_FORMS)
    }
    const secret = this.#secrets.get(`${this.#namespace}/${name}`)
    if (secret !== undefined) return { found: true, value: secret }
    const elsewhere = [...this.#secrets.values()].find((one) => one.metadata.name === name)
    return missing(
      'secret-not-found',
      `Secret ${this.#namespace}/${name} was not found`,
      elsewhere === undefined
        ? `credentialName names a Secret in the namespace of the gateway (${this.#namespace})`
        : `${describe(elsewhere)} exists, but credentials are read from the namespace of the gateway (${this.#namespace}): move it there or run with --namespace ${elsewhere.metadata.namespace}`,
    )
  }
}

/** The Secret's name, or null for a form or namespace that is not served. */
function localName(credentialName: string, namespace: string): string | null {
  if (!credentialName.includes('://')) return credentialName
  if (!credentialName.startsWith(KUBERNETES_PREFIX)) return null
  const rest = credentialName.slice(KUBERNETES_PREFIX.length)
  const slash = rest.indexOf('/')
  if (slash === -1) return rest
  return rest.slice(0, slash) === namespace ? rest.slice(slash + 1) : null
}

/** The data of a Secret as text. */
class SecretFields {
  readonly #encoded: Readonly<Record<string, string>>

  constructor(secret: Resource<SecretBody>) {
    this.#encoded = secret.spec.data ?? {}
  }

  text(key: string): string | null {
    const encoded = this.#encoded[key]
    return encoded === undefined ? null : Buffer.from(encoded, 'base64').toString('latin1')
  }

  names(): string {
    const names = Object.keys(this.#encoded).toSorted()
    return names.length === 0 ? 'no keys' : names.join(', ')
  }
}

function missing(code: string, message: string, hint: string | null = null): Found<never> {
  return { found: false, fault: { code, message, hint }, broken: null }
}
