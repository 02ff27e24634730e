import type { VirtualHost } from '../../routing/virtual-host.ts'

/** Virtual hosts that several namespaces see alike: one object for one name and one content. */
export class VirtualHostMemo {
  readonly #made = new Map<object, Map<string, VirtualHost>>()

  /** `content` stands for all that the virtual host has in it besides its name. */
  get(content: object, name: string, make: () => VirtualHost): VirtualHost {
    const named = this.#made.get(content) ?? new Map<string, VirtualHost>()
    this.#made.set(content, named)
    const present = named.get(name)
    if (present !== undefined) return present
    const made = make()
    named.set(name, made)
    return made
  }
}
