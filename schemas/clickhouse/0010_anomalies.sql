-- Anomalies for analysts: what the events of one say, as a row.

CREATE OR REPLACE VIEW anomalies
(
    since DateTime('UTC') COMMENT 'Minute in which the cells became worse',
    detected DateTime64(3, 'UTC') COMMENT 'When that was found',
    ended Nullable(DateTime64(3, 'UTC')) COMMENT 'When the cells were as before again; NULL while the anomaly lasts',
    id String COMMENT 'Anomaly',
    apps Array(String) COMMENT 'Apps concerned',
    vantage LowCardinality(String) COMMENT 'Vantage that all its cells have in common, empty for none',
    region LowCardinality(String) COMMENT 'Region that all its cells have in common, empty for none',
    app LowCardinality(String) COMMENT 'App that its cells have in common and others have not, empty for none',
    variant LowCardinality(String) COMMENT 'Variant that its cells have in common and others have not, empty for none',
    kind LowCardinality(String) COMMENT 'Kind of sample that its cells have in common and others have not, empty for none',
    moved UInt32 COMMENT 'Cells in that scope that became worse',
    of UInt32 COMMENT 'Cells in that scope',
    moved_vantages UInt32 COMMENT 'Vantages that saw it',
    of_vantages UInt32 COMMENT 'Vantages that measure the scope',
    worst_cell String COMMENT 'The cell that became worst, as app region/variant from vantage by kind',
    measures Array(String) COMMENT 'What of that cell became worse: latency (the median), tail (the 95th percentile), loss (the share of failures)',
    before_ms Float64 COMMENT 'Median latency of that cell before, milliseconds; 0 when nothing ended ok',
    after_ms Float64 COMMENT 'The same when it was found',
    before_p95_ms Float64 COMMENT '95th percentile before',
    after_p95_ms Float64 COMMENT 'The same when it was found',
    before_loss Float64 COMMENT 'Share of its samples that failed before',
    after_loss Float64 COMMENT 'The same when it was found',
    p_value Float64 COMMENT 'Smallest p-value of its cells',
    q_value Float64 COMMENT 'False-discovery rate at which it would just have been found',
    reason String COMMENT 'Why it ended, empty while it lasts'
)
SQL SECURITY INVOKER
AS SELECT
    parseDateTimeBestEffort(JSONExtractString(told, 'since'), 'UTC') AS since, parseDateTime64BestEffort(JSONExtractString(told, 'detected_at'), 3, 'UTC') AS detected,
    if(over, parseDateTime64BestEffort(JSONExtractString(told, 'at'), 3, 'UTC'), NULL) AS ended, id, JSONExtract(told, 'apps', 'Array(String)') AS apps,
    JSONExtractString(told, 'scope', 'vantage') AS vantage, JSONExtractString(told, 'scope', 'region') AS region, JSONExtractString(told, 'scope', 'app') AS app,
    JSONExtractString(told, 'scope', 'variant') AS variant, JSONExtractString(told, 'scope', 'kind') AS kind,
    JSONExtractUInt(told, 'moved') AS moved, JSONExtractUInt(told, 'of') AS of, JSONExtractUInt(told, 'moved_vantages') AS moved_vantages, JSONExtractUInt(told, 'of_vantages') AS of_vantages,
    concat(JSONExtractString(cell, 'app'), ' ', JSONExtractString(cell, 'region'), if(JSONExtractString(cell, 'variant') = '', '', concat('/', JSONExtractString(cell, 'variant'))),
        ' from ', JSONExtractString(cell, 'vantage'), ' by ', JSONExtractString(cell, 'kind')) AS worst_cell,
    JSONExtract(cell, 'measures', 'Array(String)') AS measures,
    round(JSONExtractFloat(cell, 'before', 'p50_ms'), 3) AS before_ms, round(JSONExtractFloat(cell, 'after', 'p50_ms'), 3) AS after_ms,
    round(JSONExtractFloat(cell, 'before', 'p95_ms'), 3) AS before_p95_ms, round(JSONExtractFloat(cell, 'after', 'p95_ms'), 3) AS after_p95_ms,
    round(JSONExtractFloat(cell, 'before', 'loss'), 4) AS before_loss, round(JSONExtractFloat(cell, 'after', 'loss'), 4) AS after_loss,
    JSONExtractFloat(told, 'p_value') AS p_value, JSONExtractFloat(told, 'q_value') AS q_value, JSONExtractString(told, 'reason') AS reason
FROM
(
    SELECT
        JSONExtractString(e.payload, 'id') AS id, max(JSONExtractString(e.payload, 'state') = 'ended') AS over,
        argMax(e.payload, JSONExtractString(e.payload, 'state') = 'ended') AS told, JSONExtractRaw(told, 'cells', 1) AS cell
    FROM events AS e
    WHERE type = 'leeward.anomaly.detected.v1'
    GROUP BY id
)
COMMENT 'Every anomaly as one row: since when, what its cells have in common, how the worst was before and after, and when it was over';
