import { boolean, ignored, type Infer, list, map, object, oneOf, string } from '../schema.ts'
import { port, tlsProtocolVersions } from './istio-common.ts'

export const gatewaySchema = object({
  selector: map(string),
  servers: list(
    object({
      port,
      bind: string,
      hosts: list(string),
      tls: object({
        httpsRedirect: boolean,
        mode: oneOf(
          'PASSTHROUGH',
          'SIMPLE',
          'MUTUAL',
          'AUTO_PASSTHROUGH',
          'ISTIO_MUTUAL',
          'OPTIONAL_MUTUAL',
        ),
        credentialName: string,
        credentialNames: list(string),
        caCertCredentialName: string,
        serverCertificate: string,
        privateKey: string,
        caCertificates: string,
        caCrl: string,
        tlsCertificates: list(
          object({ serverCertificate: string, privateKey: string, caCertificates: string }),
        ),
        subjectAltNames: list(string),
        verifyCertificateSpki: list(string),
        verifyCertificateHash: list(string),
        insecureSkipVerify: boolean,
        minProtocolVersion: tlsProtocolVersions,
        maxProtocolVersion: tlsProtocolVersions,
        cipherSuites: list(string),
        ecdhCurves: list(string),
      }),
      defaultEndpoint: ignored(string, 'Istio does not implement it for gateways either'),
      name: string,
    }),
  ),
})

export type GatewaySpec = Infer<typeof gatewaySchema>
export type GatewayServer = NonNullable<GatewaySpec['servers']>[number]
