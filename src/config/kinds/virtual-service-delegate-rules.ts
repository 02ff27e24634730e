import { isDnsLabel, isFqdn } from '../names.ts'
import type { Place } from './place.ts'
import type { HttpRouteSpec, VirtualServiceSpec } from './virtual-service.ts'

/** A VirtualService without hosts: a part of those that name it as delegate. */
export function checkDelegate(place: Place, spec: VirtualServiceSpec): void {
  if ((spec.gateways ?? []).length > 0) {
    place
      .at('hosts')
      .error(
        'missing-field',
        'virtual service must have at least one host: without hosts it is a delegate, which has no gateways of its own',
        'add hosts, or remove gateways to make it a delegate',
      )
  }
  for (const field of ['tls', 'tcp'] as const) {
    if ((spec[field] ?? []).length === 0) continue
    place
      .at(field)
      .warning(
        'delegate-field-ignored',
        `${field} rules of a VirtualService without hosts have no effect: only http rules are delegated to`,
        'add hosts, or move the rules to a VirtualService with hosts',
      )
  }
  place.each('http', spec.http, (rule, at) => {
    if (rule.delegate === undefined) return
    at.at('delegate').error(
      'nested-delegate',
      'a delegate cannot delegate further: there is one level only',
      'name the last VirtualService in the one that has hosts',
    )
  })
}

/** `http[].delegate` */
export function checkDelegateName(
  place: Place,
  delegate: NonNullable<HttpRouteSpec['delegate']>,
): void {
  const { name = '', namespace = '' } = delegate
  if (name === '') {
    place
      .at('name')
      .error('missing-field', 'delegate name is required', 'name a VirtualService without hosts')
  } else if (!isFqdn(name)) {
    place
      .at('name')
      .error('invalid-delegate-name', `"${name}" cannot be the name of a VirtualService`)
  }
  if (namespace === '' || isDnsLabel(namespace)) return
  place
    .at('namespace')
    .error('invalid-delegate-name', `"${namespace}" cannot be the name of a namespace`)
}
