-- How late each sample is, what came too late, hours beside minutes, and tables for what builds, benchmarks and drills say.

ALTER TABLE samples
    ADD COLUMN IF NOT EXISTS stored_after_s Int32 DEFAULT 0 COMMENT 'Seconds from the due time to the moment the bus stored the sample; negative for a vantage whose clock is ahead' CODEC(T64, ZSTD(1)) AFTER late_us,
    ADD COLUMN IF NOT EXISTS spooled Bool DEFAULT false COMMENT 'Whether the sample waited on the prober''s disk for a bus that was away' CODEC(ZSTD(1)) AFTER stored_after_s,
    MODIFY COLUMN status CODEC(ZSTD(1)),
    MODIFY COLUMN boot CODEC(ZSTD(1));

-- Four partitions write four times as many blocks as one did; a recorder that was frozen must find its token still remembered.
ALTER TABLE samples MODIFY SETTING non_replicated_deduplication_window = 100000;

ALTER TABLE samples_1m MODIFY SETTING non_replicated_deduplication_window = 100000;

CREATE TABLE IF NOT EXISTS samples_1h
(
    hour DateTime('UTC') COMMENT 'Start of the hour the samples were due in' CODEC(Delta, ZSTD(1)),
    app LowCardinality(String) COMMENT 'App measured',
    kind LowCardinality(String) COMMENT 'Kind of sample',
    vantage LowCardinality(String) COMMENT 'Who measured',
    region LowCardinality(String) COMMENT 'Region measured',
    variant LowCardinality(String) COMMENT 'Variant measured',
    samples SimpleAggregateFunction(sum, UInt64) COMMENT 'Samples in the hour' CODEC(T64, ZSTD(1)),
    failures SimpleAggregateFunction(sum, UInt64) COMMENT 'Samples that did not end ok' CODEC(T64, ZSTD(1)),
    last_due SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'Due time of the newest sample' CODEC(Delta, ZSTD(1)),
    latency AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), UInt32) COMMENT 'Sketch of the latency of the samples that ended ok, microseconds, relative error 1 %' CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (toStartOfDay(hour), app, kind, vantage, region, variant, hour)
TTL hour + INTERVAL 730 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Samples by hour, made of the minutes: counts and a quantile sketch';

CREATE MATERIALIZED VIEW IF NOT EXISTS samples_1h_from_samples_1m TO samples_1h AS
SELECT
    toStartOfHour(minute) AS hour, app, kind, vantage, region, variant,
    sum(m.samples) AS samples, sum(m.failures) AS failures, max(m.last_due) AS last_due,
    quantilesDDMergeState(0.01, 0.5, 0.95, 0.99)(m.latency) AS latency
FROM samples_1m AS m
GROUP BY hour, app, kind, vantage, region, variant;

CREATE TABLE IF NOT EXISTS quarantine
(
    stored DateTime64(3, 'UTC') COMMENT 'When the bus stored the sample' CODEC(Delta, ZSTD(1)),
    reason LowCardinality(String) COMMENT 'late or early: on which side of the allowed lateness the due time lies',
    due DateTime64(3, 'UTC') COMMENT 'When the measurement was due, by the prober''s clock',
    app LowCardinality(String) COMMENT 'App measured',
    kind LowCardinality(String) COMMENT 'Kind of sample',
    vantage LowCardinality(String) COMMENT 'Who measured',
    region LowCardinality(String) COMMENT 'Region measured',
    variant LowCardinality(String) COMMENT 'Variant measured',
    outcome LowCardinality(String) COMMENT 'How the measurement ended',
    latency_us UInt32 COMMENT 'Microseconds from the due time to the end' CODEC(T64, ZSTD(1)),
    spooled Bool COMMENT 'Whether the sample waited on the prober''s disk for a bus that was away',
    boot UInt64 COMMENT 'When the prober started, microseconds since 1970' CODEC(Delta, ZSTD(1)),
    counter UInt64 COMMENT 'Number of the prober''s batch since its start' CODEC(Delta, ZSTD(1)),
    batch_row UInt16 COMMENT 'Row of the sample in its batch' CODEC(T64, ZSTD(1)),
    stream_sequence UInt64 COMMENT 'Sequence of the batch in the stream' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(stored)
ORDER BY (vantage, stored)
TTL toDateTime(stored) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Samples whose due time can not be believed, kept apart from the others, once';

CREATE TABLE IF NOT EXISTS build_stages
(
    finished DateTime64(3, 'UTC') COMMENT 'When the build ended',
    build String COMMENT 'Hash of source digest, variant and arguments',
    app LowCardinality(String) COMMENT 'App built',
    variant LowCardinality(String) COMMENT 'Variant built',
    stage LowCardinality(String) COMMENT 'Stage of the Dockerfile',
    position UInt16 COMMENT 'Place of the stage in the Dockerfile, from 1',
    seconds Float64 COMMENT 'Seconds the stage''s steps kept the builder busy, overlaps counted once',
    steps UInt16 COMMENT 'Steps of the stage',
    cached_steps UInt16 COMMENT 'Steps that came from the cache',
    stream_sequence UInt64 COMMENT 'Sequence of the event in the stream'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(finished)
ORDER BY (app, variant, finished, position)
TTL toDateTime(finished) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every stage of every build';

-- Nothing but this file writes here before the file is through, and it may run again from its start.
TRUNCATE TABLE build_stages;

INSERT INTO build_stages
SELECT finished, build, app, variant, s.1, s.2, s.3, s.4, s.5, stream_sequence
FROM builds
ARRAY JOIN arrayZip(stages.name, arrayMap(i -> toUInt16(i), arrayEnumerate(stages.name)), stages.seconds, stages.steps, stages.cached_steps) AS s;

CREATE TABLE IF NOT EXISTS image_benchmarks
(
    at DateTime64(3, 'UTC') COMMENT 'When the benchmark ended' CODEC(Delta, ZSTD(1)),
    app LowCardinality(String) COMMENT 'App of the image',
    variant LowCardinality(String) COMMENT 'Variant of the image',
    region LowCardinality(String) COMMENT 'Region whose registry the image was pulled from',
    digest String COMMENT 'Digest of the image index',
    cold Bool COMMENT 'Whether no layer was there before the pull',
    size_bytes UInt64 COMMENT 'Compressed layers and config, bytes',
    layers UInt16 COMMENT 'Number of layers',
    wasted_bytes UInt64 COMMENT 'Bytes of files that a later layer hides or writes again',
    pull_us UInt64 COMMENT 'Microseconds of fetching the layers',
    unpack_us UInt64 COMMENT 'Microseconds of unpacking them',
    start_us UInt64 COMMENT 'Microseconds from the container''s creation to its running process',
    healthy_us UInt64 COMMENT 'Microseconds from the running process to the first healthy answer',
    error String COMMENT 'Why the benchmark failed, empty for one that did not',
    stream_sequence UInt64 COMMENT 'Sequence in the stream' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (app, variant, region, at)
TTL toDateTime(at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every benchmark of an image: how long from nothing to a healthy answer';

CREATE TABLE IF NOT EXISTS drills
(
    at DateTime64(3, 'UTC') COMMENT 'When the drill ended',
    app LowCardinality(String) COMMENT 'App that was moved',
    drill String COMMENT 'Drill',
    plan String COMMENT 'Plan that the drill carried out',
    actor String COMMENT 'Who asked for it',
    from_region LowCardinality(String) COMMENT 'Region left',
    from_variant LowCardinality(String) COMMENT 'Variant left',
    to_region LowCardinality(String) COMMENT 'Region moved to',
    to_variant LowCardinality(String) COMMENT 'Variant moved to',
    passed Bool COMMENT 'Whether the drill reached what it was to show',
    reason String COMMENT 'Why it did not, in words',
    shift_seconds Float64 COMMENT 'Seconds from the decision to the first request in the new region',
    failed_requests UInt64 COMMENT 'Requests that failed meanwhile, as the vantages saw it',
    stream_sequence UInt64 COMMENT 'Sequence of the event in the stream'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (app, at)
TTL toDateTime(at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every drill with its result';
