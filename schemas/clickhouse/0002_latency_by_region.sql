-- Views for analysts: no aggregate states to merge, milliseconds instead of microseconds.

CREATE VIEW IF NOT EXISTS latency_by_region AS
SELECT
    hour, app, region, kind, samples, failures, last_due,
    round(quantiles[1] / 1000, 3) AS p50_ms, round(quantiles[2] / 1000, 3) AS p95_ms, round(quantiles[3] / 1000, 3) AS p99_ms
FROM
(
    SELECT
        toStartOfHour(minute) AS hour, app, region, kind,
        sum(samples_1m.samples) AS samples, sum(samples_1m.failures) AS failures, max(samples_1m.last_due) AS last_due,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(latency) AS quantiles
    FROM samples_1m
    GROUP BY hour, app, region, kind
)
COMMENT 'Latency of the samples that ended ok, by hour, app, region and kind; kind bench was imported from load generators';
