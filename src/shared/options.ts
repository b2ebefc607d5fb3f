/**
 * Options checked once, at the door: every public class describes its options as a valibot schema with
 * limits and defaults, and reads them only through {@link checkOptions}. Nothing is corrected silently.
 */
import * as v from 'valibot';
import { InvalidOptionError } from './errors.ts';

/**
 * Checks `given` against `schema` and returns it with the defaults filled in.
 *
 * @param prefix the option that holds these, for messages (`tls` makes `tls.mode`)
 * @throws InvalidOptionError naming the first option that is unknown, of the wrong type or out of range
 */
export function checkOptions<S extends v.GenericSchema>(schema: S, given: unknown, prefix = ''): v.InferOutput<S> {
  const result = v.safeParse(schema, given);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = [prefix, v.getDotPath(issue) ?? ''].filter((part) => part !== '').join('.');
  const problem = issue.type === 'strict_object' && issue.expected === 'never' ? 'unknown option' : issue.message;
  throw new InvalidOptionError(path === '' ? 'options' : path, problem);
}

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  const wanted = most === Number.MAX_SAFE_INTEGER ? `at least ${least}` : `from ${least} to ${most}`;
  const problem = (issue: v.BaseIssue<unknown>) => `wants a whole number ${wanted}, not ${issue.received}`;
  return v.pipe(v.number(problem), v.integer(problem), v.minValue(least, problem), v.maxValue(most, problem));
}

/** The longest delay that a Node timer keeps, ms (a longer one fires at once). */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A duration in ms. Zero is allowed where it means "never" or "at once"; the option's docstring says which. */
export function milliseconds(least = 0) {
  const problem = (issue: v.BaseIssue<unknown>) =>
    `wants a duration in ms from ${least} to ${MAX_TIMER_MS}, not ${issue.received}`;
  return v.pipe(v.number(problem), v.finite(problem), v.minValue(least, problem), v.maxValue(MAX_TIMER_MS, problem));
}

/** A callback option. */
export function callback<F extends (...args: never[]) => unknown>() {
  return v.custom<F>((value) => typeof value === 'function', 'wants a function');
}

/** An object handed through as it is (a clock, a server, a socket). */
export function instance<T>(what: string) {
  return v.custom<T>((value) => typeof value === 'object' && value !== null, `wants ${what}`);
}
