-- How long each candidate takes to serve, in every ranking; and what an image weighs and takes to serve, beside how long requests to its variant take.

ALTER TABLE rankings
    ADD COLUMN IF NOT EXISTS serve_ms Nullable(Float64) COMMENT 'How long the candidate takes until it serves once traffic is to go there, milliseconds: 0 for one that answers; NULL where no benchmark of its image says' CODEC(ZSTD(1)) AFTER high_ms;

CREATE OR REPLACE VIEW latency_by_variant
(
    hour DateTime('UTC') COMMENT 'Start of the hour the samples were due in',
    app LowCardinality(String) COMMENT 'App measured',
    variant LowCardinality(String) COMMENT 'Variant measured; empty for what is measured of a region as a whole, as its database',
    region LowCardinality(String) COMMENT 'Region measured',
    vantage LowCardinality(String) COMMENT 'Who measured',
    kind LowCardinality(String) COMMENT 'Kind of sample, as in samples',
    samples UInt64 COMMENT 'Samples in the hour',
    failures UInt64 COMMENT 'Samples that did not end ok',
    last_due DateTime64(3, 'UTC') COMMENT 'Due time of the newest sample',
    p50_ms Nullable(Float64) COMMENT 'Median latency of the samples that ended ok, milliseconds, within 1 %; NULL when none did',
    p95_ms Nullable(Float64) COMMENT '95th percentile of the same',
    p99_ms Nullable(Float64) COMMENT '99th percentile of the same',
    digest String COMMENT 'Newest image of the variant in the region that was benchmarked, whatever the hour; empty when none was. What follows is of this image',
    size_bytes UInt64 COMMENT 'Compressed layers and config, bytes',
    layers UInt16 COMMENT 'Number of layers',
    wasted_bytes UInt64 COMMENT 'Bytes of files that a later layer hides or writes again',
    cold_runs UInt64 COMMENT 'Benchmarks from nothing that came to a healthy answer',
    failed_runs UInt64 COMMENT 'Benchmarks, cold or warm, that did not',
    pull_ms Nullable(Float64) COMMENT 'Median of fetching the layers from the region''s registry to the builder''s machine, milliseconds, of the cold runs that came to a healthy answer; NULL without any, as the next three',
    unpack_ms Nullable(Float64) COMMENT 'Median of unpacking them',
    start_ms Nullable(Float64) COMMENT 'Median from the container''s creation to its running process',
    healthy_ms Nullable(Float64) COMMENT 'Median from the running process to the first healthy answer'
)
SQL SECURITY INVOKER
AS SELECT
    l.hour, l.app, l.variant, l.region, l.vantage, l.kind, l.samples, l.failures, l.last_due,
    ifNotFinite(round(l.quantiles[1] / 1000, 3), NULL) AS p50_ms, ifNotFinite(round(l.quantiles[2] / 1000, 3), NULL) AS p95_ms, ifNotFinite(round(l.quantiles[3] / 1000, 3), NULL) AS p99_ms,
    b.digest, b.size_bytes, b.layers, b.wasted_bytes, b.cold_runs, b.failed_runs,
    if(b.cold_runs > 0, round(b.pull_us / 1000, 3), NULL) AS pull_ms, if(b.cold_runs > 0, round(b.unpack_us / 1000, 3), NULL) AS unpack_ms,
    if(b.cold_runs > 0, round(b.start_us / 1000, 3), NULL) AS start_ms, if(b.cold_runs > 0, round(b.healthy_us / 1000, 3), NULL) AS healthy_ms
FROM
(
    SELECT
        hour, app, variant, region, vantage, kind,
        sum(h.samples) AS samples, sum(h.failures) AS failures, max(h.last_due) AS last_due,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(h.latency) AS quantiles
    FROM samples_1h AS h
    GROUP BY hour, app, variant, region, vantage, kind
) AS l
LEFT JOIN
(
    SELECT
        app, variant, region, i.digest AS digest, max(i.size_bytes) AS size_bytes, max(i.layers) AS layers, max(i.wasted_bytes) AS wasted_bytes,
        countIf(cold AND error = '') AS cold_runs, countIf(error != '') AS failed_runs,
        quantileExactIf(0.5)(i.pull_us, cold AND error = '') AS pull_us, quantileExactIf(0.5)(i.unpack_us, cold AND error = '') AS unpack_us,
        quantileExactIf(0.5)(i.start_us, cold AND error = '') AS start_us, quantileExactIf(0.5)(i.healthy_us, cold AND error = '') AS healthy_us
    FROM image_benchmarks AS i
    GROUP BY app, variant, region, digest
    ORDER BY max(i.at) DESC
    LIMIT 1 BY app, variant, region
) AS b ON l.app = b.app AND l.variant = b.variant AND l.region = b.region
COMMENT 'Latency by hour, app, variant, region, vantage and kind, with the benchmarks of the variant''s newest image: variants are compared within one region as one vantage sees it';
