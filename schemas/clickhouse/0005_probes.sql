-- What the prober knows of how a sample was taken, and the kinds it measures beside the first five.

ALTER TABLE samples
    ADD COLUMN IF NOT EXISTS server LowCardinality(String) COMMENT 'Role and identity of the database that answered, empty for other kinds: two servers behind one address are two series' AFTER status,
    ADD COLUMN IF NOT EXISTS flags UInt8 COMMENT 'The bits of saturated (1), clock_stepped (2) and kernel_stamps (4)' CODEC(T64, ZSTD(1)) AFTER server,
    ADD COLUMN IF NOT EXISTS clock_error_us UInt32 COMMENT 'Microseconds that the prober''s clock may be off by the kernel''s own estimate, 0 when it has none' CODEC(T64, ZSTD(1)) AFTER flags;

ALTER TABLE samples
    ADD COLUMN IF NOT EXISTS saturated Bool ALIAS bitTest(flags, 0) COMMENT 'Whether the prober was short of processor time, so that the latency may be partly its own' AFTER clock_error_us,
    ADD COLUMN IF NOT EXISTS clock_stepped Bool ALIAS bitTest(flags, 1) COMMENT 'Whether the prober''s clock was set during the measurement: the latency is right, the due time may not be' AFTER saturated,
    ADD COLUMN IF NOT EXISTS kernel_stamps Bool ALIAS bitTest(flags, 2) COMMENT 'Whether both ends of the round trip were stamped by the kernel' AFTER clock_stepped;

ALTER TABLE samples COMMENT COLUMN kind 'icmp, tcp, tls, tls_resumed, http, http_kept, dns, grpc, registry, exec, db_read, db_write, db_fresh or db_lag; bench came from load generators';

-- The views as they were, but for what they say of the kinds.

CREATE OR REPLACE VIEW latency_by_region
(
    hour DateTime('UTC') COMMENT 'Start of the hour the samples were due in',
    app LowCardinality(String) COMMENT 'App measured',
    region LowCardinality(String) COMMENT 'Region measured',
    kind LowCardinality(String) COMMENT 'Kind of sample, as in samples',
    samples UInt64 COMMENT 'Samples in the hour',
    failures UInt64 COMMENT 'Samples that did not end ok',
    last_due DateTime64(3, 'UTC') COMMENT 'Due time of the newest sample',
    p50_ms Nullable(Float64) COMMENT 'Median latency of the samples that ended ok, milliseconds, within 1 %; NULL when none did',
    p95_ms Nullable(Float64) COMMENT '95th percentile of the same',
    p99_ms Nullable(Float64) COMMENT '99th percentile of the same'
)
SQL SECURITY INVOKER
AS SELECT
    hour, app, region, kind, samples, failures, last_due,
    ifNotFinite(round(quantiles[1] / 1000, 3), NULL) AS p50_ms, ifNotFinite(round(quantiles[2] / 1000, 3), NULL) AS p95_ms, ifNotFinite(round(quantiles[3] / 1000, 3), NULL) AS p99_ms
FROM
(
    SELECT
        hour, app, region, kind,
        sum(h.samples) AS samples, sum(h.failures) AS failures, max(h.last_due) AS last_due,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(h.latency) AS quantiles
    FROM samples_1h AS h
    GROUP BY hour, app, region, kind
)
COMMENT 'Latency by hour, app, region and kind, all vantages and variants together';

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
    p99_ms Nullable(Float64) COMMENT '99th percentile of the same'
)
SQL SECURITY INVOKER
AS SELECT
    hour, app, variant, region, vantage, kind, samples, failures, last_due,
    ifNotFinite(round(quantiles[1] / 1000, 3), NULL) AS p50_ms, ifNotFinite(round(quantiles[2] / 1000, 3), NULL) AS p95_ms, ifNotFinite(round(quantiles[3] / 1000, 3), NULL) AS p99_ms
FROM
(
    SELECT
        hour, app, variant, region, vantage, kind,
        sum(h.samples) AS samples, sum(h.failures) AS failures, max(h.last_due) AS last_due,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(h.latency) AS quantiles
    FROM samples_1h AS h
    GROUP BY hour, app, variant, region, vantage, kind
)
COMMENT 'Latency by hour, app, variant, region, vantage and kind: variants are compared within one region as one vantage sees it';
