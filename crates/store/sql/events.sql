-- events: what happened, each once, as it is known best (the highest revision). Details: detail ->> '$.key'.
CREATE OR REPLACE VIEW events AS
SELECT * FROM event_revisions
QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY revision DESC, recorded_at DESC) = 1;

-- around_events('oom_kill', 60, 1): for each event of a kind, the signals of its container from so many seconds before
-- to so many after it. The last row of a life lies up to one tick after its end, so ask for 1 s after.
CREATE OR REPLACE MACRO around_events(kind_of_event, seconds_before, seconds_after) AS TABLE
SELECT
    happened.event_id,
    happened.time AS event_time,
    happened.detail,
    (epoch_ms(signals.time) - epoch_ms(happened.time)) / 1000 AS seconds_from_event,
    signals.*
FROM (SELECT * FROM events WHERE kind = kind_of_event) AS happened
JOIN signals ON signals.container_id = happened.container_id AND signals.life = happened.life
WHERE signals.time BETWEEN happened.time - to_seconds(seconds_before) AND happened.time + to_seconds(seconds_after);

-- series_id(...): the id by which the page's address and the API name a container over its restarts.
CREATE OR REPLACE MACRO series_id(node, pod_uid, container_name, container_id) AS
    substr(sha256(node || chr(0) || CASE
        WHEN container_name IS NULL THEN container_id || chr(0)
        ELSE coalesce(pod_uid, container_name) || chr(0) || container_name
    END || chr(0)), 1, 12);
