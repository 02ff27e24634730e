import { isIP } from 'node:net'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Authority, type CertificatePair } from '../../certs/authority.ts'
import { isFqdn } from '../config/names.ts'
import { keyPairError } from '../tls/key-pair.ts'
import { readPem, writePemFiles } from './certs-files.ts'
import { CommandError, EXIT_FINDINGS, usageError } from './exit.ts'
import { type OutputFormat, printOutput } from './output.ts'

const CA_CERTIFICATE = 'ca.crt'
const CA_KEY = 'ca.key'

export interface InitOptions {
  readonly dir: string
  readonly name: string
  readonly days: number
  readonly force: boolean
  readonly output: OutputFormat
}

/** `tidegate certs init`: a development authority in a folder. */
export function initAuthority({ dir, name, days, force, output }: InitOptions): void {
  const authority = Authority.create(name, days)
  const certificate = join(dir, CA_CERTIFICATE)
  const key = join(dir, CA_KEY)
  writePemFiles(
    [
      { path: key, text: authority.key, secret: true },
      { path: certificate, text: authority.certificate, secret: false },
    ],
    force,
  )
  printOutput(output, { certificate, key, name, days }, () => {
    console.log(`${certificate}: have clients trust it; for development only`)
    console.log(`${key}: keep it, and keep it secret`)
  })
}

export interface SecretName {
  readonly namespace: string
  readonly name: string
}

export interface IssueOptions {
  readonly names: readonly string[]
  /** Folder of the authority. */
  readonly ca: string
  readonly dir: string
  /** Without extension; null: made of the first name. */
  readonly file: string | null
  readonly keyType: 'rsa' | 'ecdsa'
  readonly days: number
  readonly client: boolean
  readonly force: boolean
  /** null: files. */
  readonly secret: SecretName | null
  readonly output: OutputFormat
}

/** `tidegate certs issue`: a leaf as files, or as a Kubernetes Secret on standard output. */
export function issueLeaf(options: IssueOptions): void {
  for (const name of options.names) checkName(name)
  const authority = loadAuthority(options.ca)
  const use = options.client ? 'client' : 'server'
  const pair =
    options.keyType === 'ecdsa'
      ? authority.issueEcdsa(options.names, options.days, use)
      : authority.issue(options.names, options.days, use)
  if (options.secret !== null) {
    process.stdout.write(secretYaml(options.secret, pair, options.client ? authority : null))
    return
  }
  const base = join(options.dir, options.file ?? fileName(options.names[0]!))
  const certificate = `${base}.crt`
  const key = `${base}.key`
  writePemFiles(
    [
      { path: key, text: pair.key, secret: true },
      { path: certificate, text: pair.certificate, secret: false },
    ],
    options.force,
  )
  const { names, days, keyType } = options
  printOutput(options.output, { certificate, key, names, use, keyType, days }, () => {
    console.log(`${certificate}: ${names.join(', ')}, ${days} days, with the authority's`)
    console.log(`${key}: its key`)
  })
}

/** `*.shop.test` to `wildcard.shop.test`, for files and Secrets. */
export function fileName(name: string): string {
  return name
    .replace(/^\*/, 'wildcard')
    .replace(/^[a-z]+:\/\//i, '')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[.-]+/, '')
}

function checkName(name: string): void {
  const isUri = /^[a-z][a-z0-9+.-]*:\/\/[^\s]+$/i.test(name)
  const host = name.startsWith('*.') ? name.slice(2) : name
  if (isUri || isIP(name) !== 0 || isFqdn(host)) return
  throw usageError(
    `${JSON.stringify(name)} is no DNS name, address or URI`,
    'certs issue NAME',
    'write shop.example.com, *.example.com, 192.0.2.1, ::1 or spiffe://cluster.local/ns/a/sa/b',
  )
}

function loadAuthority(dir: string): Authority {
  const certificate = readCa(join(dir, CA_CERTIFICATE))
  const key = readCa(join(dir, CA_KEY))
  const wrong = keyPairError(certificate, key)
  if (wrong !== null) {
    throw new CommandError(wrong, dir, 'make a new authority: tidegate certs init', EXIT_FINDINGS)
  }
  try {
    return Authority.load({ certificate, key })
  } catch {
    throw new CommandError(
      'the authority has no RSA key',
      dir,
      'make one with tidegate certs init',
      EXIT_FINDINGS,
    )
  }
}

function readCa(path: string): string {
  try {
    return readPem(path, '--ca')
  } catch {
    throw new CommandError(
      'there is no authority',
      path,
      'make one with tidegate certs init, or say where it is with --ca',
      EXIT_FINDINGS,
    )
  }
}

/** A client's Secret has the authority too: DestinationRule credentialName reads it there. */
function secretYaml(
  { namespace, name }: SecretName,
  pair: CertificatePair,
  authority: Authority | null,
): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name, namespace },
    stringData: {
      'tls.crt': pair.certificate,
      'tls.key': pair.key,
      ...(authority === null ? {} : { 'ca.crt': authority.certificate }),
    },
  })
}
