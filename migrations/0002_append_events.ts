import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * The statement that appends a batch: compare-and-set of each stream's version, then the events of those that won.
 *
 * Texts arrive joined by U+001E, which valid JSON cannot contain; keys of one `waits_on` by U+001F. The first `creates`
 * appends make their stream; both parts are in name order, which is the order of the locks. `owners` says for each
 * event which append it belongs to, from 1. `waits`, `metadatas` and `commands` are null when nothing has any. Answers
 * the ordinals of the appends that lost, and the positions of the events that were written, in order.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  yield* sql.unsafe(`
    CREATE FUNCTION append_events(
      names text, creates integer, after_versions integer[], counts integer[], wakes bigint[], waits text,
      owners integer[], versions integer[], schemas integer[], times bigint[],
      types text, hashes bytea, payloads text, metadatas text, commands text,
      OUT transaction_id xid8, OUT epoch integer, OUT lost integer[], OUT positions bigint[]
    ) LANGUAGE plpgsql
    -- Index lookups are right, however small the tables were when the plan was made.
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    AS $$
    #variable_conflict use_column
    DECLARE
      _names text[] := string_to_array(names, E'\\x1e');
      _waits text[] := string_to_array(waits, E'\\x1e');
      _types text[] := string_to_array(types, E'\\x1e');
      _payloads text[] := string_to_array(payloads, E'\\x1e');
      _metadatas text[] := string_to_array(metadatas, E'\\x1e');
      _commands text[] := string_to_array(commands, E'\\x1e');
      _appends integer := cardinality(after_versions);
      _events integer := cardinality(owners);
      _ids bigint[] := '{}';
      _ords integer[];
      _created bigint[];
      _moved bigint[];
      _epoch integer;
      _xid xid8;
    BEGIN
      IF cardinality(_names) <> _appends OR cardinality(_types) <> _events OR cardinality(_payloads) <> _events
        OR cardinality(_waits) <> _appends OR cardinality(_metadatas) <> _events OR cardinality(_commands) <> _events
      THEN
        RAISE data_exception USING MESSAGE = 'a stream name, event type or payload holds the character U+001E';
      END IF;

      -- Held to the end: the epoch cannot rise between its reading and the commit of events that carry it.
      PERFORM pg_advisory_xact_lock_shared(1802069876, 2);
      SELECT l.epoch INTO _epoch FROM log_epoch l;
      _xid := pg_current_xact_id();
      lost := '{}';

      IF creates > 0 THEN
        WITH created AS (
          INSERT INTO streams (stream_name, waits_on, wake_at_ms, stream_version)
          SELECT _names[n], string_to_array(nullif(_waits[n], ''), E'\\x1f'), wakes[n], after_versions[n]
          FROM generate_series(1, creates) n
          ON CONFLICT (stream_name) DO NOTHING
          RETURNING stream_id
        )
        SELECT coalesce(array_agg(c.stream_id), '{}') INTO _ids FROM created c;
        IF cardinality(_ids) < creates THEN
          -- Rare: some exist already. The others are found again by name; numbers of this transaction's rows only.
          SELECT array_agg(coalesce((
            SELECT s.stream_id FROM streams s WHERE s.stream_name = _names[n] AND s.stream_id = ANY (_ids)
          ), 0) ORDER BY n) INTO _ids FROM generate_series(1, creates) n;
        END IF;
      END IF;

      IF creates < _appends THEN
        WITH moved AS (
          UPDATE streams s
          SET stream_version = after_versions[a.n], wake_at_ms = wakes[a.n],
            waits_on = string_to_array(nullif(_waits[a.n], ''), E'\\x1f')
          FROM (
            SELECT n, _names[n] AS stream_name, after_versions[n] - counts[n] AS expected
            FROM generate_series(creates + 1, _appends) n
          ) a
          WHERE s.stream_name = a.stream_name AND s.stream_version = a.expected
          RETURNING s.stream_id, a.n
        )
        SELECT array_agg(m.stream_id ORDER BY m.n), array_agg(m.n ORDER BY m.n) INTO _moved, _ords FROM moved m;
        IF cardinality(_moved) = _appends - creates THEN
          _ids := _ids || _moved;
        ELSE
          FOR n IN creates + 1 .. _appends LOOP
            _ids := _ids || coalesce(_moved[array_position(_ords, n)], 0::bigint);
          END LOOP;
        END IF;
      END IF;

      SELECT coalesce(array_agg(n), '{}') INTO lost FROM generate_series(1, _appends) n WHERE _ids[n] = 0;

      WITH written AS (
        INSERT INTO events (
          transaction_id, global_position, stream_id, recorded_at_ms, epoch, stream_version, schema_version,
          type, hash, payload, metadata, command_id
        )
        SELECT _xid, nextval('global_positions'), _ids[owners[n]], times[n], _epoch, versions[n], schemas[n],
          _types[n], substr(hashes, n * 32 - 31, 32), _payloads[n]::json, nullif(_metadatas[n], ''),
          nullif(_commands[n], '')
        FROM generate_series(1, _events) n
        WHERE _ids[owners[n]] <> 0
        RETURNING global_position
      )
      SELECT array_agg(w.global_position) INTO positions FROM written w;
      transaction_id := _xid;
      epoch := _epoch;
    END $$`)
})
