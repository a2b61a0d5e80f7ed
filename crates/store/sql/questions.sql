-- Who was throttled most?
SELECT namespace, pod_name, container_name,
    round(100.0 * sum(throttled) / sum(periods), 1) AS percent_of_periods,
    round(sum(lost_usec) / 1e6, 1) AS seconds_lost
FROM (
    SELECT namespace, pod_name, container_name,
        max(cpu_nr_periods) - min(cpu_nr_periods) AS periods,
        max(cpu_nr_throttled) - min(cpu_nr_throttled) AS throttled,
        max(cpu_throttled_usec) - min(cpu_throttled_usec) AS lost_usec
    FROM metrics
    GROUP BY namespace, pod_name, container_name, container_id, life
)
GROUP BY ALL
HAVING sum(throttled) > 0
ORDER BY seconds_lost DESC
LIMIT 10;

-- What happened in the minute before the OOM kill?
WITH last_kill AS (
    FROM around_events('oom_kill', 60, 1)
    WHERE event_id = (SELECT event_id FROM events WHERE kind = 'oom_kill' ORDER BY time DESC LIMIT 1)
)
SELECT container_name, seconds_from_event,
    round(memory_current / 1048576, 1) AS memory_mib,
    round(memory_percent_of_limit, 1) AS percent_of_limit,
    round((memory_anon - lag(memory_anon) OVER (ORDER BY time)) / seconds / 1048576, 2) AS anon_mib_per_s,
    round(memory_psi_full_percent, 1) AS waiting_for_memory_percent
FROM last_kill
ORDER BY time;

-- Who was restarted, how often, and what came before?
SELECT lives.namespace, lives.pod_name, container_name,
    count(*) - 1 AS restarts,
    round(min(seconds), 1) AS shortest_life_s,
    coalesce(any_value(kills), 0) AS oom_kills
FROM (
    SELECT namespace, pod_name, pod_uid, container_name, container_id, life,
        epoch(max(time) - min(time)) AS seconds
    FROM metrics
    GROUP BY ALL
) AS lives
LEFT JOIN (
    SELECT pod_uid, container_name, count(*) AS kills
    FROM events
    WHERE kind = 'oom_kill'
    GROUP BY ALL
) AS killed USING (pod_uid, container_name)
GROUP BY lives.namespace, lives.pod_name, pod_uid, container_name
HAVING count(*) > 1
ORDER BY restarts DESC, shortest_life_s
LIMIT 10;

-- Whose memory grows, and when will it reach the limit?
SELECT pod_name, container_name,
    round(slope * 3600 / 1048576, 1) AS mib_per_hour,
    round(fit, 3) AS straightness,
    round((limit_bytes - now_bytes) / slope / 3600, 1) AS hours_to_limit
FROM (
    SELECT pod_name, pod_uid, container_name, container_id, life,
        regr_slope(memory_anon, epoch(time)) AS slope,
        regr_r2(memory_anon, epoch(time)) AS fit,
        arg_max(memory_current - memory_inactive_file, time) AS now_bytes,
        max(memory_max) AS limit_bytes
    FROM signals
    GROUP BY pod_name, pod_uid, container_name, container_id, life
    HAVING max(time) - min(time) > INTERVAL 5 MINUTE
    -- Of several lives the last.
    QUALIFY row_number() OVER (PARTITION BY pod_uid, container_name ORDER BY max(time) DESC) = 1
)
WHERE fit > 0.8 AND slope > 0 AND limit_bytes IS NOT NULL
ORDER BY hours_to_limit
LIMIT 10;

-- Which second was the node's busiest, and who used it?
WITH busiest AS (
    SELECT time FROM node_signals ORDER BY cpu_user_usec + cpu_system_usec DESC NULLS LAST LIMIT 1
)
SELECT signals.time, pod_name, container_name,
    round((cpu_user_usec + cpu_system_usec) / 1000) AS millicores,
    round(cpu_throttled_percent, 1) AS throttled_percent,
    round(cpu_psi_some_percent, 1) AS waiting_for_cpu_percent
FROM signals JOIN busiest USING (time)
ORDER BY millicores DESC NULLS LAST
LIMIT 5;
