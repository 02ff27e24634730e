import { Option } from 'commander'
import { acmeDirectory, LETS_ENCRYPT } from '../base/acme-directory.ts'
import type { AcmeSettings } from '../acme/acme-settings.ts'
import { usageError } from './exit.ts'

/** Flags of `run` about certificates by ACME as given. */
export interface RawAcmeFlags {
  acmeDirectory: string
  acmeEmail?: string
  acmeStore?: string
  acmeCa?: string
  acmeAcceptTerms?: boolean
  acmeEabKid?: string
  acmeEabKeyFile?: string
}

/** `--acme-*` of `run`. */
export function acmeFlags(): readonly Option[] {
  return [
    new Option(
      '--acme-directory <url>',
      'ACME server of Gateways with tidegate.dev/acme: "true"; letsencrypt, letsencrypt-staging or a URL',
    ).default('letsencrypt'),
    new Option('--acme-email <address>', 'contact of ACME accounts'),
    new Option(
      '--acme-store <folder|redis>',
      'where ACME accounts and certificates are kept; redis: on the server of --redis',
    ),
    new Option('--acme-accept-terms', 'agree to the terms of service of the ACME server'),
    new Option('--acme-ca <path>', "authority of the ACME server's own certificate, as PEM"),
    new Option('--acme-eab-kid <id>', 'external account: its key identifier'),
    new Option('--acme-eab-key-file <path>', 'external account: file with its HMAC key, base64url'),
  ]
}

export function acmeSettingsOf(flags: RawAcmeFlags & { redis?: string }): { acme: AcmeSettings } {
  const directory = acmeDirectory(flags.acmeDirectory)
  if (directory === null) {
    throw usageError(
      `"${flags.acmeDirectory}" is not the directory of an ACME server`,
      '--acme-directory',
      `write letsencrypt, letsencrypt-staging or an https URL such as ${LETS_ENCRYPT}`,
    )
  }
  const store = flags.acmeStore ?? ''
  if (store === 'redis' && flags.redis === undefined) {
    throw usageError('--acme-store redis needs a Redis', '--redis', 'give --redis URL as well')
  }
  const { acmeEabKid: keyId, acmeEabKeyFile: keyFile } = flags
  if ((keyId === undefined) !== (keyFile === undefined)) {
    const missing = keyId === undefined ? '--acme-eab-kid' : '--acme-eab-key-file'
    throw usageError('an external account has an identifier and a key', missing, 'give both')
  }
  return {
    acme: {
      directory,
      email: flags.acmeEmail ?? null,
      store: store === '' ? null : store === 'redis' ? 'redis' : { folder: store },
      caFile: flags.acmeCa ?? null,
      termsAgreed: flags.acmeAcceptTerms ?? false,
      externalAccount: keyId === undefined || keyFile === undefined ? null : { keyId, keyFile },
    },
  }
}
