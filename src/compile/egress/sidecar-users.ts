import { hash } from 'node:crypto'
import type { SecretBody } from '../../config/kinds/kubernetes.ts'
import type { Resource } from '../../config/resource.ts'
import type { EgressUser } from '../../snapshot/egress-control.ts'
import type { Findings } from '../findings.ts'
import type { SidecarScopes } from './sidecar-scopes.ts'

const SHA256 = /^sha256:([0-9a-f]{64})$/i
/** A list of users is small: what is longer is another file by mistake. */
const MAX_USERS = 10_000

/**
 * Users of Proxy-Authorization from the Secret that `--egress-users` names: key `users` with a line
 * `name:password` or `name:sha256:HEX` for each, or `username` and `password` (the type
 * kubernetes.io/basic-auth). A user `namespace/name` counts as a workload of that namespace. A
 * Secret that is not there lets nobody in.
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
  const users = new Map<string, EgressUser>()
  if (secret === undefined) {
    findings.reportGeneral(
      'error',
      'secret-not-found',
      `Secret ${wanted} of --egress-users does not exist: nobody can authenticate at the egress proxy`,
      'create it, or correct the flag',
    )
    return users
  }
  const { data = {} } = secret.spec
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('utf8')
  if (data['username'] !== undefined && data['password'] !== undefined) {
    addUser(users, text('username'), text('password'), scopes)
  }
  for (const line of text('users').split(/\r?\n/).slice(0, MAX_USERS)) {
    const colon = line.indexOf(':')
    if (colon < 1 || line.startsWith('#')) continue
    addUser(users, line.slice(0, colon), line.slice(colon + 1), scopes)
  }
  if (users.size === 0) {
    findings.report(
      'error',
      'secret-keys-missing',
      { resource: secret, path: ['data'] },
      `Secret ${wanted} of --egress-users names no user: nobody can authenticate at the egress proxy`,
      'write key users with lines NAME:PASSWORD or NAME:sha256:HEX, or the keys username and password',
    )
  }
  return users
}

function addUser(
  users: Map<string, EgressUser>,
  name: string,
  password: string,
  scopes: SidecarScopes,
): void {
  const hex = SHA256.exec(password)?.[1] ?? hash('sha256', password)
  const namespace = name.includes('/') ? name.slice(0, name.indexOf('/')) : ''
  const scope = scopes.of(namespace, {})
  const client = { by: 'credentials', id: name, namespace, serviceAccount: '', scope } as const
  users.set(name, { digest: Buffer.from(hex, 'hex'), client })
}
