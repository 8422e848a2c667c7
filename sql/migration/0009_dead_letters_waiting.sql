-- Finds the streams of a subscription whose events wait behind a dead letter, whatever was resolved
-- before: a page asks for the handful of streams that it touches.
-- squawk-ignore require-concurrent-index-creation -- nothing has written to this table yet
create index dead_letters_waiting on varve.dead_letters (subscription, partition, key)
  where state = 'waiting';
