-- {view}: {table} as the page shows it, one column for each signal: a gauge as it is, a counter as its rate per second,
-- derived signals. A rate belongs to the later of two rows of one life and clock epoch, is measured by the real reads,
-- and is null where the gap is more than max(3 s, 3 intervals) or the counter fell. Give {view}_between a range where
-- you can: of a large directory it then reads only that.
CREATE OR REPLACE VIEW {table}_files AS
{files};
CREATE OR REPLACE MACRO {view}_between(first_time, last_time) AS TABLE
WITH steps AS (
    SELECT {table}.*,
        coalesce(interval_ms, 1000) AS tick_ms,
        lag({table}.time) OVER life AS earlier_time,
        lag(coalesce(read_offset_us, 0)) OVER life AS earlier_offset_us,
{earlier}
    FROM {table} LEFT JOIN {table}_files USING (filename)
    WHERE {table}.time >= first_time - INTERVAL 3 MINUTE AND {table}.time <= last_time
    WINDOW life AS (PARTITION BY container_id, life, clock_epoch ORDER BY {table}.time)
), gaps AS (
    SELECT *,
        epoch_ms(time) - epoch_ms(earlier_time) AS gap_ms,
        gap_ms * 1000 + coalesce(read_offset_us, 0) - earlier_offset_us AS elapsed_us
    FROM steps
), spans AS (
    SELECT *,
        CASE WHEN gap_ms > 0 AND gap_ms <= greatest(3000, 3 * tick_ms) AND elapsed_us > 0
            THEN elapsed_us END AS step_us
    FROM gaps
)
SELECT
    time,
    time + to_microseconds(coalesce(read_offset_us, 0)) AS read_at,
    step_us / 1e6 AS seconds,
    clock_epoch,
    limits_known,
{identity},
{signals}
FROM spans
WHERE time >= first_time;
CREATE OR REPLACE VIEW {view} AS
FROM {view}_between('-infinity'::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ);
