import test from 'ava';
import { reasonOf } from '../../src/shared/errors.ts';

test('the reason of an error that stands for several is all of theirs', (t) => {
  const refused = ['127.0.0.1:1', '::1:1'].map((address) => new Error(`connect ECONNREFUSED ${address}`));
  t.is(reasonOf(new AggregateError(refused)), 'connect ECONNREFUSED 127.0.0.1:1; connect ECONNREFUSED ::1:1');
  t.is(reasonOf(new AggregateError(refused, 'nobody is there')), 'nobody is there');
});
