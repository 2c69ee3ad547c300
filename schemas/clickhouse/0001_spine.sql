-- The first schema: samples with their minute rollup, events, builds, rankings, decisions.
-- Every table that the recorder inserts into remembers 10,000 de-duplication tokens and syncs before it answers.

CREATE TABLE IF NOT EXISTS samples
(
    due DateTime64(3, 'UTC') COMMENT 'When the measurement was due, by the prober''s clock' CODEC(Delta, ZSTD(1)),
    app LowCardinality(String) COMMENT 'App measured',
    kind LowCardinality(String) COMMENT 'icmp, tcp, http, db_read or db_write',
    vantage LowCardinality(String) COMMENT 'Who measured',
    region LowCardinality(String) COMMENT 'Region measured',
    variant LowCardinality(String) COMMENT 'Variant measured',
    vantage_region LowCardinality(String) COMMENT 'Region the vantage belongs to, empty for none',
    outcome LowCardinality(String) COMMENT 'ok, timeout, refused, unreachable, dns, tls, status or other',
    latency_us UInt32 COMMENT 'Microseconds from the due time to the end; of a failed measurement, until it was given up' CODEC(T64, ZSTD(1)),
    late_us UInt32 COMMENT 'Microseconds of latency_us that passed before the probe was sent' CODEC(T64, ZSTD(1)),
    dns_us UInt32 COMMENT 'Microseconds of name resolution' CODEC(T64, ZSTD(1)),
    connect_us UInt32 COMMENT 'Microseconds of the TCP handshake' CODEC(T64, ZSTD(1)),
    tls_us UInt32 COMMENT 'Microseconds of the TLS handshake' CODEC(T64, ZSTD(1)),
    write_us UInt32 COMMENT 'Microseconds of writing the request' CODEC(T64, ZSTD(1)),
    first_byte_us UInt32 COMMENT 'Microseconds from the request written to the first byte of the answer' CODEC(T64, ZSTD(1)),
    transfer_us UInt32 COMMENT 'Microseconds from the first to the last byte of the answer' CODEC(T64, ZSTD(1)),
    status UInt16 COMMENT 'HTTP status, 0 for other kinds' CODEC(T64, ZSTD(1)),
    topology LowCardinality(String) COMMENT 'Hash of the configuration the sample was taken under',
    boot UInt64 COMMENT 'When the prober started, microseconds since 1970' CODEC(Delta, ZSTD(1)),
    counter UInt64 COMMENT 'Number of the prober''s batch since its start' CODEC(Delta, ZSTD(1)),
    batch_row UInt16 COMMENT 'Row of the sample in its batch; (vantage, boot, counter, batch_row) names a sample for ever' CODEC(T64, ZSTD(1)),
    stream_sequence UInt64 COMMENT 'Sequence of the batch in the stream' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(due)
ORDER BY (toStartOfFiveMinutes(due), app, kind, vantage, region, variant, due)
TTL toDateTime(due) + INTERVAL 14 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every latency sample, once';

CREATE TABLE IF NOT EXISTS samples_1m
(
    minute DateTime('UTC') COMMENT 'Start of the minute the samples were due in' CODEC(Delta, ZSTD(1)),
    app LowCardinality(String) COMMENT 'App measured',
    kind LowCardinality(String) COMMENT 'Kind of sample',
    vantage LowCardinality(String) COMMENT 'Who measured',
    region LowCardinality(String) COMMENT 'Region measured',
    variant LowCardinality(String) COMMENT 'Variant measured',
    samples SimpleAggregateFunction(sum, UInt64) COMMENT 'Samples in the minute' CODEC(T64, ZSTD(1)),
    failures SimpleAggregateFunction(sum, UInt64) COMMENT 'Samples that did not end ok' CODEC(T64, ZSTD(1)),
    last_due SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'Due time of the newest sample' CODEC(Delta, ZSTD(1)),
    latency AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), UInt32) COMMENT 'Sketch of the latency of the samples that ended ok, microseconds, relative error 1 %' CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(minute)
ORDER BY (toStartOfHour(minute), app, kind, vantage, region, variant, minute)
TTL minute + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Samples by minute: counts and a quantile sketch';

CREATE MATERIALIZED VIEW IF NOT EXISTS samples_1m_from_samples TO samples_1m AS
SELECT
    toStartOfMinute(due) AS minute, app, kind, vantage, region, variant,
    count() AS samples, countIf(outcome != 'ok') AS failures, max(due) AS last_due,
    quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(latency_us, outcome = 'ok') AS latency
FROM samples
GROUP BY minute, app, kind, vantage, region, variant;

CREATE TABLE IF NOT EXISTS events
(
    stored DateTime64(6, 'UTC') COMMENT 'When the bus stored the event' CODEC(Delta, ZSTD(1)),
    type LowCardinality(String) COMMENT 'Name of the topic, as leeward.build.finished.v1',
    subject String COMMENT 'Subject, the topic with its identifier tokens',
    id String COMMENT 'Identity of the event: equal for two deliveries of one event',
    source LowCardinality(String) COMMENT 'Who published it',
    trace_id String COMMENT 'Trace the event belongs to, 32 hex digits',
    app LowCardinality(String) COMMENT 'App the event is about, empty for none',
    payload String COMMENT 'The event as JSON' CODEC(ZSTD(3)),
    stream_sequence UInt64 COMMENT 'Sequence in the stream' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(stored)
ORDER BY (type, app, stored)
TTL toDateTime(stored) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every control event, once';

CREATE TABLE IF NOT EXISTS builds
(
    finished DateTime64(3, 'UTC') COMMENT 'When the build ended',
    started DateTime64(3, 'UTC') COMMENT 'When the build started',
    build String COMMENT 'Hash of source digest, variant and arguments',
    app LowCardinality(String) COMMENT 'App built',
    variant LowCardinality(String) COMMENT 'Variant built',
    trigger String COMMENT 'Digest of the pushed image that asked for the build',
    outcome LowCardinality(String) COMMENT 'succeeded or failed',
    error String COMMENT 'The build''s own message when it failed',
    digest String COMMENT 'Digest of the image index, empty for a failed build',
    reference String COMMENT 'Where the image was pushed first',
    size_bytes UInt64 COMMENT 'Compressed layers and config, bytes',
    layers UInt16 COMMENT 'Number of layers',
    seconds Float64 COMMENT 'Seconds from start to pushed',
    stages Nested (name String, seconds Float64, steps UInt16, cached_steps UInt16) COMMENT 'Stages of the Dockerfile with their busy seconds',
    stream_sequence UInt64 COMMENT 'Sequence of the event in the stream'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(finished)
ORDER BY (app, variant, finished)
TTL toDateTime(finished) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every build of a variant';

CREATE TABLE IF NOT EXISTS rankings
(
    at DateTime64(3, 'UTC') COMMENT 'When the ranking was computed' CODEC(Delta, ZSTD(1)),
    app LowCardinality(String) COMMENT 'App ranked',
    active LowCardinality(String) COMMENT 'Region assumed to carry the traffic',
    rank UInt16 COMMENT 'Place, from 1; ties share a place',
    region LowCardinality(String) COMMENT 'Candidate''s region',
    variant LowCardinality(String) COMMENT 'Candidate''s variant',
    running Bool COMMENT 'Whether the candidate has an endpoint',
    eligible Bool COMMENT 'Whether every gate passes',
    enough Bool COMMENT 'Whether there were enough samples for the quantile',
    censored Bool COMMENT 'Whether the quantile lies among time-outs: the cost is at least what is shown',
    cost_ms Float64 COMMENT 'Cost, milliseconds',
    low_ms Float64 COMMENT 'Lower end of the 95 % interval, milliseconds',
    high_ms Float64 COMMENT 'Upper end of the 95 % interval, milliseconds',
    samples UInt64 COMMENT 'Samples in the window',
    failures UInt64 COMMENT 'Samples that did not end ok',
    gates Nested (name String, result String, evidence String) COMMENT 'Every gate with its result and evidence',
    quantile Float64 COMMENT 'Quantile of the objective',
    window_seconds UInt32 COMMENT 'Length of the window',
    topology LowCardinality(String) COMMENT 'Hash of the configuration',
    inputs String COMMENT 'What the ranking can be computed from again, JSON; on the first row of each ranking only' CODEC(ZSTD(3)),
    stream_sequence UInt64 COMMENT 'Sequence in the stream' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (app, active, at, rank)
TTL toDateTime(at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every ranking, a row per candidate and possible active region';

CREATE TABLE IF NOT EXISTS decisions
(
    at DateTime64(3, 'UTC') COMMENT 'When the decision was made',
    app LowCardinality(String) COMMENT 'App decided about',
    plan String COMMENT 'Plan',
    incident String COMMENT 'Incident that asked for a decision',
    trigger LowCardinality(String) COMMENT 'alert, verdicts or request',
    state LowCardinality(String) COMMENT 'planned or refused',
    reason String COMMENT 'Why, in words',
    actor String COMMENT 'Who asked, for requests',
    epoch_term UInt64 COMMENT 'Fencing term',
    epoch_n UInt64 COMMENT 'Fencing number in the term',
    from_region LowCardinality(String) COMMENT 'Region left',
    from_variant LowCardinality(String) COMMENT 'Variant left',
    region LowCardinality(String) COMMENT 'Candidate''s region',
    variant LowCardinality(String) COMMENT 'Candidate''s variant',
    chosen Bool COMMENT 'Whether this candidate was chosen',
    rank UInt16 COMMENT 'Candidate''s place in the ranking the decision used',
    eligible Bool COMMENT 'Whether every gate passed',
    cost_ms Float64 COMMENT 'Cost in that ranking, milliseconds',
    low_ms Float64 COMMENT 'Lower end of its 95 % interval, milliseconds',
    high_ms Float64 COMMENT 'Upper end of its 95 % interval, milliseconds',
    gates Nested (name String, result String, evidence String) COMMENT 'Every gate as the decision saw it',
    stream_sequence UInt64 COMMENT 'Sequence of the event in the stream'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (app, at, plan)
TTL toDateTime(at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every decision, a row per candidate with every gate';
