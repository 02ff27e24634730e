/** Where something runs, as clouds name it; '' where it is not known. */
export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

/** `region/zone/subzone`; parts at the end may be missing. */
export function parseLocality(text: string): Locality {
  const [region = '', zone = '', ...rest] = text.split('/')
  return { region, zone, subzone: rest.join('/') }
}

/** `region/zone/subzone` without empty parts at the end. */
export function formatLocality({ region, zone, subzone }: Locality): string {
  return [region, zone, subzone].join('/').replace(/\/+$/, '')
}

/** Does a pattern of `region/zone/subzone` admit it? `*` and parts left out admit anything. */
export function localityMatches(pattern: string, locality: Locality): boolean {
  const wanted = parseLocality(pattern)
  return (
    (wanted.region === '*' || wanted.region === locality.region) &&
    partMatches(wanted.zone, locality.zone) &&
    partMatches(wanted.subzone, locality.subzone)
  )
}

function partMatches(wanted: string, part: string): boolean {
  return wanted === '*' || wanted === '' || wanted === part
}
