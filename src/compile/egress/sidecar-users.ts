import { hash } from 'node:crypto'
import type { SecretBody } from '../../config/kinds/kubernetes.ts'
import type { Resource } from '../../config/resource.ts'
import type { EgressUser } from '../../snapshot/egress-control.ts'
import type { Findings } from '../findings.ts'
import type { SidecarScopes } from './sidecar-scopes.ts'

const SHA256 = /^sha256:([0-9a-f]{64})$/i
/** As htpasswd -s writes it: 20 bytes in base64. */
const SHA1 = /^\{SHA\}([A-Za-z0-9+/]{27}=)\s*$/
/** Users that one finding names. */
const NAMES_SHOWN = 5
/** A list of users is small: what is longer is another file by mistake. */
const MAX_USERS = 10_000

/**
 * Users of Proxy-Authorization and SOCKS5 from the Secret that `--egress-users` names: key `users`
 * with a line `name:password` or `name:sha256:HEX` for each, key `auth` with lines of htpasswd -s, or
 * `username` and `password` (the type kubernetes.io/basic-auth). A user `namespace/name` counts as a
 * workload of that namespace. A Secret that is not there lets nobody in.
 */
export function egressUsers(
  secrets: readonly Resource<SecretBody>[],
  wanted: string,
  scopes: SidecarScopes,
  findings: Findings,
): ReadonlyMap<string, EgressUser> {
  const secret = secrets.find(
    ({ metadata: { namespace, name } }) => `${namespace}/${name}` === wanted,
  )
  if (secret === undefined) {
    findings.reportGeneral(
      'error',
      'secret-not-found',
      `Secret ${wanted} of --egress-users does not exist: nobody can authenticate at the egress proxy`,
      'create it, or correct the flag',
    )
    return new Map()
  }
  const passwords = passwordsOf(secret, wanted, findings)
  if (passwords.size === 0) {
    findings.report(
      'error',
      'secret-keys-missing',
      { resource: secret, path: ['data'] },
      `Secret ${wanted} of --egress-users names no user: nobody can authenticate at the egress proxy`,
      'write key users with lines NAME:PASSWORD or NAME:sha256:HEX, key auth with lines of htpasswd -s, or the keys username and password',
    )
  }
  const users = new Map<string, EgressUser>()
  for (const [name, password] of passwords) {
    users.set(name, { ...password, client: clientNamed(name, scopes) })
  }
  return users
}

type Password = Pick<EgressUser, 'digest' | 'algorithm'>

/** By the name of the user; the last word on a name counts. */
function passwordsOf(
  secret: Resource<SecretBody>,
  wanted: string,
  findings: Findings,
): ReadonlyMap<string, Password> {
  const { data = {} } = secret.spec
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('utf8')
  const passwords = new Map<string, Password>()
  if (data['username'] !== undefined && data['password'] !== undefined) {
    passwords.set(text('username'), written(text('password')))
  }
  for (const [name, password] of namedLines(text('users'))) passwords.set(name, written(password))
  const unreadable: string[] = []
  for (const [name, hashed] of namedLines(text('auth'))) {
    const password = htpasswd(hashed)
    if (password === null) unreadable.push(name)
    else passwords.set(name, password)
  }
  if (unreadable.length > 0) {
    findings.report(
      'warning',
      'egress-user-hash',
      { resource: secret, path: ['data', 'auth'] },
      `passwords of ${someOf(unreadable)} in Secret ${wanted} are not {SHA} hashes: bcrypt, apr1 and crypt are not verified, and these users cannot authenticate`,
      'make the lines with htpasswd -s (not -B, -m or -d) and long random passwords, or use key users with NAME:sha256:HEX',
    )
  }
  return passwords
}

/** `name:rest` of each line that has both; comments begin with #. */
function namedLines(text: string): readonly (readonly [name: string, rest: string])[] {
  const lines = text.split(/\r?\n/).slice(0, MAX_USERS)
  return lines.flatMap((line) => {
    const colon = line.indexOf(':')
    if (colon < 1 || line.startsWith('#')) return []
    return [[line.slice(0, colon), line.slice(colon + 1)] as const]
  })
}

function written(password: string): Password {
  const hex = SHA256.exec(password)?.[1] ?? hash('sha256', password)
  return { digest: Buffer.from(hex, 'hex'), algorithm: 'sha256' }
}

/** null: not `{SHA}` with the base64 of a SHA-1. */
function htpasswd(hashed: string): Password | null {
  const encoded = SHA1.exec(hashed)?.[1]
  return encoded === undefined
    ? null
    : { digest: Buffer.from(encoded, 'base64'), algorithm: 'sha1' }
}

function someOf(names: readonly string[]): string {
  const rest = names.length - NAMES_SHOWN
  return names.slice(0, NAMES_SHOWN).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}

function clientNamed(name: string, scopes: SidecarScopes): EgressUser['client'] {
  const namespace = name.includes('/') ? name.slice(0, name.indexOf('/')) : ''
  const scope = scopes.of(namespace, {})
  return { by: 'credentials', id: name, namespace, serviceAccount: '', scope }
}
