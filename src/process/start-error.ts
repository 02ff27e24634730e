import { type BindAddress, formatBindAddress } from '../listeners/bind-address.ts'

/** The gateway cannot start: what, where, what to do. */
export class StartError extends Error {
  readonly where: string | null
  readonly hint: string | null

  constructor(message: string, where: string | null, hint: string | null) {
    super(message)
    this.where = where
    this.hint = hint
  }
}

/** Runs `bind`; its failure becomes a StartError that names the flag and the address. */
export async function bindOrExplain<T>(
  flag: string,
  address: BindAddress,
  bind: () => Promise<T>,
): Promise<T> {
  try {
    return await bind()
  } catch (error) {
    throw new StartError(
      `cannot bind: ${error instanceof Error ? error.message : String(error)}`,
      `${flag} ${formatBindAddress(address)}`,
      `free the port or choose another one with ${flag} [HOST:]PORT`,
    )
  }
}
