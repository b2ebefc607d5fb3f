/**
 * The JSON Schema of a configuration file: which keys may stand where, and what they may be. From the same tables as the
 * command's flags.
 *
 * What it cannot know, and `poold` says when it reads the file: limits of numbers, what addresses and names there are,
 * which options want each other, what the environment or the command line adds, and how a number was written (`0x10` and
 * `1e3` are numbers to YAML, and to a flag they are not).
 */
import { Command } from 'commander';
import { BALANCE_FLAGS } from '../../src/cli/balance/balance-flags.ts';
import { levelsOf } from '../../src/cli/command-flags.ts';
import type { Side } from '../../src/cli/config/config-file.ts';
import { keysOf, NESTED } from '../../src/cli/config/section.ts';
import { attributeOf, type Flag, keyOf } from '../../src/cli/flag.ts';
import { FLOW } from '../../src/cli/flags.ts';
import { strangersToFlow } from '../../src/cli/flow.ts';
import { flagSchema, type Schema } from './flag-schema.ts';

const SIDES: readonly Side[] = ['server', 'client', 'balance'];

/** Those that have tunnels. */
type TunnelSide = Exclude<Side, 'balance'>;

type Properties = Readonly<Record<string, Schema>>;

export function fileSchema(): Schema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'poold configuration',
    description:
      'One command, its options, and its tunnels by name where it has any. Each option is a flag of the command; see poold(1).',
    type: 'object',
    properties: Object.fromEntries(SIDES.map((side) => [side, sideSchema(side)])),
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    definitions: Object.fromEntries(SIDES.map((side) => [side, definitions(side)])),
  };
}

/** The options of a command, by their keys: each stands here once. */
function definitions(side: Side): Properties {
  const { process, shared, own } = levelsOf(side);
  return Object.fromEntries([...process, ...shared, ...own].map((flag) => [keyOf(flag), flagSchema(flag)]));
}

function sideSchema(side: Side): Schema {
  return side === 'balance' ? balanceSchema() : tunnelsSchema(side);
}

/** It has options alone. */
function balanceSchema(): Schema {
  const { process } = levelsOf('balance');
  return {
    description: 'What poold balance does.',
    type: 'object',
    properties: { ...references('balance', process), ...nested('balance', process) },
    additionalProperties: false,
    // One of the names of each.
    allOf: [BALANCE_FLAGS.listen, BALANCE_FLAGS.servers].map((flag) => ({ not: { required: keysOf(flag) } })),
  };
}

function tunnelsSchema(side: TunnelSide): Schema {
  const { process, shared, own } = levelsOf(side);
  const tunnel: Schema = {
    description: 'A tunnel, by the name that both sides know it by.',
    type: 'object',
    properties: references(side, [...own, ...shared]),
    additionalProperties: false,
    allOf: ['reverse', 'forward'].map((flow) => when(says(flow), without(side, flow))),
  };
  return {
    description: `What poold ${side} does: what holds for all of it, and its tunnels.`,
    type: 'object',
    properties: {
      ...references(side, [...process, ...shared]),
      ...(side === 'server' ? { tokens: TOKENS } : {}),
      ...nested(side, [...process, ...shared]),
      tunnels: { description: 'The tunnels, by name.', type: 'object', additionalProperties: tunnel, minProperties: 1 },
    },
    additionalProperties: false,
    ...(side === 'server' ? { anyOf: [{ required: ['tunnels'] }, ...PUBLISHES] } : { required: ['tunnels'] }),
    // A tunnel that does not say has the flow of all, or else is a reverse one.
    allOf: [
      when(says('forward'), tunnelsThatDoNotSay(without(side, 'forward'))),
      when({ anyOf: [says('reverse'), doesNotSay] }, tunnelsThatDoNotSay(without(side, 'reverse'))),
    ],
  };
}

function references(side: Side, flags: readonly Flag[]): Properties {
  const all = flags.flatMap((flag) => keysOf(flag).map((key) => [key, keyOf(flag)] as const));
  return Object.fromEntries(all.map(([key, name]) => [key, { $ref: `#/definitions/${side}/${name}` }]));
}

/** The maps whose keys are flags' names behind a dash. */
function nested(side: Side, flags: readonly Flag[]): Properties {
  const maps = NESTED.flatMap((key) => {
    const inner = flags.map(keyOf).filter((name) => name.startsWith(`${key}-`));
    if (inner.length === 0) return [];
    const properties = inner.map((name) => [name.slice(key.length + 1), { $ref: `#/definitions/${side}/${name}` }]);
    const schema: Schema = {
      description: `The options that begin with ${key}-.`,
      type: 'object',
      properties: Object.fromEntries(properties),
      additionalProperties: false,
    };
    return [[key, schema] as const];
  });
  return Object.fromEntries(maps);
}

/** A server may have those tunnels alone that its clients ask for. */
const PUBLISHES: readonly Schema[] = [
  { required: ['publish-ports'] },
  { required: ['publish'], properties: { publish: { required: ['ports'] } } },
];

/** Any text, or what YAML takes for something else: a number, a day. */
const TEXT: Schema = { type: ['string', 'number', 'boolean'] };

const TOKENS: Schema = {
  description:
    'Tokens that are valid at once, each with a name, an end and tunnels of its own; in place of token-file.',
  type: 'array',
  minItems: 1,
  items: {
    type: 'object',
    properties: {
      name: { ...TEXT, description: 'what events and logs call it' },
      token: { ...TEXT, description: 'the secret, better as ${VARIABLE}' },
      file: { ...TEXT, description: 'a file with the secret' },
      expires: { ...TEXT, description: 'from then on nobody gets in with it: 2027-01-31, 2027-01-31T12:00:00Z' },
      tunnels: {
        description: 'the only tunnels that it opens',
        anyOf: [TEXT, { type: 'array', items: TEXT }],
      },
    },
    additionalProperties: false,
    oneOf: [{ required: ['token'] }, { required: ['file'] }],
  },
};

const flowKey = keyOf(FLOW);

const doesNotSay: Schema = { not: { required: [flowKey] } };

function when(condition: Schema, schema: Schema): Schema {
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  return { if: condition, then: schema };
}

function says(flow: string): Schema {
  return { required: [flowKey], properties: { [flowKey]: { const: flow } } };
}

/** That the options of the other flow are not there. */
function without(side: TunnelSide, flow: string): Schema {
  const command = new Command(side).setOptionValue(attributeOf(FLOW), flow);
  return { properties: Object.fromEntries(strangersToFlow(command).map((flag) => [keyOf(flag), false])) };
}

function tunnelsThatDoNotSay(schema: Schema): Schema {
  return { properties: { tunnels: { additionalProperties: when(doesNotSay, schema) } } };
}
