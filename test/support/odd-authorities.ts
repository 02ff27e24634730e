import fc from 'fast-check'

/** Names that a test's name server leads somewhere guarded. */
export const TURNING_NAMES = {
  'loop.test': { a: ['127.0.0.1'] },
  'loop6.test': { aaaa: ['::1'] },
  'metadata.test': { a: ['169.254.169.254'] },
  'mapped.test': { aaaa: ['::ffff:169.254.169.254'] },
  'nat64.test': { aaaa: ['64:ff9b::7f00:1'] },
  'private.test': { a: ['10.1.2.3', '192.168.0.1'] },
  'mixed.test': { a: ['127.0.0.1', '203.0.113.9'] },
  '169.254.169.254.test': { a: ['169.254.169.254'] },
  localhost: { a: ['127.0.0.1'], aaaa: ['::1'] },
} as const

const byte = fc.integer({ min: 0, max: 255 })

/** Four bytes: mostly guarded, some that anybody may reach. */
const ipv4 = fc.oneof(
  { weight: 4, arbitrary: fc.constant([169, 254, 169, 254]) },
  { weight: 3, arbitrary: fc.tuple(fc.constant(127), byte, byte, byte) },
  { weight: 2, arbitrary: fc.tuple(fc.constant(10), byte, byte, byte) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constant(192), fc.constant(168), byte, byte) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(0), byte, byte, byte) },
  { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 224, max: 255 }), byte, byte, byte) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(203), fc.constant(0), fc.constant(113), byte) },
)

const radix = fc.constantFrom<(number: number) => string>(
  (number) => String(number),
  (number) => `0x${number.toString(16)}`,
  (number) => `0X${number.toString(16).toUpperCase()}`,
  (number) => `0${number.toString(8)}`,
  (number) => `000${number}`,
  (number) => `0x0000${number.toString(16)}`,
)

/** As inet_aton reads it: the last part fills what is left. */
const spelledIpv4 = fc
  .tuple(ipv4, fc.integer({ min: 1, max: 4 }), fc.array(radix, { minLength: 4, maxLength: 4 }))
  .map(([bytes, parts, spell]) => {
    const head = bytes.slice(0, parts - 1)
    const tail = bytes.slice(parts - 1).reduce((number, next) => number * 256 + next, 0)
    return [...head, tail].map((number, i) => spell[i]!(number)).join('.')
  })

const embedded = fc.constantFrom('::ffff:', '::', '64:ff9b::', '::ffff:0:', '0:0:0:0:0:FFFF:')

const spelledIpv6 = fc.oneof(
  fc.tuple(embedded, ipv4).map(([prefix, bytes]) => `[${prefix}${bytes.join('.')}]`),
  fc.tuple(embedded, ipv4).map(([prefix, bytes]) => `[${prefix}${groupsOf(bytes)}]`),
  ipv4.map((bytes) => `[2002:${groupsOf(bytes)}::]`),
  fc.constantFrom('[::1]', '[::]', '[fe80::1]', '[fe80::1%25eth0]', '[fd00:ec2::254]', '[ff02::1]'),
  fc.constantFrom('[0:0:0:0:0:0:0:1]', '[0000::0001]', '[::1%lo]', '[2001:db8::7]', '::1', '[::1'),
)

function groupsOf([a = 0, b = 0, c = 0, d = 0]: readonly number[]): string {
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

const name = fc
  .tuple(
    fc.constantFrom(...Object.keys(TURNING_NAMES), 'LOCALHOST', 'ip6-localhost', 'nowhere.test'),
    fc.boolean(),
  )
  .map(([text, upper]) => (upper ? text.toUpperCase() : text))

/** What parsers disagree about, put somewhere into a host. */
const slip = fc.constantFrom(
  '.',
  '..',
  '%00',
  '%2e',
  '%31',
  '@',
  'a@',
  ':80@',
  '#',
  '?',
  '/',
  '\\',
  ' ',
  '\t',
  '\0',
  '\u3002',
  '\uff0e',
  '\uff11',
  '\u00ad',
  '\u200b',
  ',',
  ';',
  '&',
  '_',
  '-',
  '0',
  '1',
  '[',
  ']',
)

const host = fc
  .tuple(
    fc.oneof(spelledIpv4, spelledIpv6, name),
    fc.option(fc.tuple(slip, fc.double({ min: 0, max: 1, noNaN: true })), { freq: 3 }),
    fc.constantFrom('', '', '', '.'),
  )
  .map(([text, put, end]) => {
    if (put === null) return text + end
    const at = Math.floor(put[1] * (text.length + 1))
    return text.slice(0, at) + put[0] + text.slice(at) + end
  })

/** Hosts and ports in spellings that some parser somewhere takes for an address it must not reach. */
export function oddAuthority(ports: readonly number[]): fc.Arbitrary<string> {
  const port = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...ports.map((number) => `:${number}`)) },
    { weight: 1, arbitrary: fc.constantFrom('', ':', ':0', ':080', ':65536', ':+80', ':80:80') },
  )
  return fc.tuple(host, port).map(([text, end]) => text + end)
}
