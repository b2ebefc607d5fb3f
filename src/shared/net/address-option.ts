/** Addresses as options of the library: a text or its parts, checked once, with the option's name in the error. */
import { InvalidOptionError, reasonOf } from '../errors.ts';
import { type Address, type AddressOptions, formatAddress, type HostAddress, parseAddress } from './address.ts';

/** @throws InvalidOptionError naming the option */
export function addressOption(option: string, value: string | Address, options: AddressOptions = {}): Address {
  try {
    // The parts are checked as the text would be.
    return parseAddress(typeof value === 'string' ? value : formatAddress(value), options);
  } catch (cause) {
    throw new InvalidOptionError(option, reasonOf(cause), { cause });
  }
}

/**
 * An address to listen on: `host:port`, where port 0 takes a free one.
 *
 * @throws InvalidOptionError naming the option
 */
export function listenOption(option: string, value: string | HostAddress): HostAddress {
  const address = addressOption(option, value, { allowPortZero: true });
  if ('host' in address) return address;
  throw new InvalidOptionError(option, 'wants host:port');
}
