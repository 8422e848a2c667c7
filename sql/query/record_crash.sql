-- Writes down what a worker was working on when it ended; see sql/function/record_crash.sql.
--   $1 marked: text of a JSON array of {subscription, position, attemptsMax, delayMs} → void, one row
-- Index: see the function. Locks: see the function. Idempotent: no, each call counts.
select varve.record_crash($1::text::jsonb);
