import type {
  Filter,
  FilterCompileContext,
  FilterFactory,
  FilterSettings,
} from '../../src/filters/filter.ts'
import { CorsFilter } from './filter.ts'
import { CorsPolicy, type CorsSetting } from './policy.ts'

/** Istio's VirtualService.http.corsPolicy. */
export class CorsFactory implements FilterFactory {
  readonly name = 'cors'
  readonly typeUrls = []
  readonly field = 'corsPolicy'

  compile(settings: FilterSettings, context: FilterCompileContext): Filter | null {
    // Redirects and direct responses are answered without it, as in Istio; validation says so.
    if (settings.action !== 'ROUTE') return null
    // The field's own shape: what does not have it never gets here.
    const setting = settings.listener.value as CorsSetting
    return new CorsFilter(new CorsPolicy(setting, context))
  }
}
