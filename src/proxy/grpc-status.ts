/** gRPC status of a local answer's HTTP status (gRPC HTTP mapping as Envoy does it). */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return 13
    case 401:
      return 16
    case 403:
      return 7
    case 404:
      return 12
    case 429:
    case 502:
    case 503:
    case 504:
      return 14
    default:
      return 2
  }
}

/** Percent-encodes a grpc-message (gRPC over HTTP/2: bytes outside 0x20..0x7E, and `%`). */
export function grpcMessage(text: string): string {
  let encoded = ''
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x20 && code <= 0x7e && code !== 0x25) encoded += text[i]!
    else encoded += `%${(code & 0xff).toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
