import { formatPath } from '../config/problems.ts'
import type { Resource } from '../config/resource.ts'
import type { RouteOrigin } from '../routing/route.ts'
import type { Place } from './explanation.ts'

export function placeOf(
  resource: Resource<unknown>,
  path: readonly (string | number)[] = [],
): Place {
  const { kind, metadata, location } = resource
  return {
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    path: formatPath(path),
    file: location.file,
    line: path.length === 0 ? location.line : location.lineOf(path),
  }
}

export function placeOfOrigin(origin: RouteOrigin): Place {
  const { kind, namespace, name, path, file, line } = origin
  return { kind, namespace, name, path, file, line }
}

/** Do two places belong to the same resource? */
export function sameResource(
  a: Pick<Place, 'kind' | 'namespace' | 'name'>,
  b: Pick<Place, 'kind' | 'namespace' | 'name'>,
): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name
}

/** `shop/web`; MeshConfig has neither. */
export function resourceName({ namespace, name }: Pick<Place, 'namespace' | 'name'>): string {
  return namespace === '' ? name : `${namespace}/${name}`
}
