-- What is published beside what a window alone would say, and why; how sure the first place is; and by which hash a ranking computed again is known.

ALTER TABLE rankings
    ADD COLUMN IF NOT EXISTS place UInt16 DEFAULT rank COMMENT 'Place in the published order, from 1, each once: what a failover goes by. In rankings from before places were stored, the rank' CODEC(T64, ZSTD(1)) AFTER active,
    ADD COLUMN IF NOT EXISTS choice Bool COMMENT 'Whether it is the published choice, where traffic would go: it changes only by margin and confidence' CODEC(ZSTD(1)) AFTER variant,
    ADD COLUMN IF NOT EXISTS raw_choice Bool COMMENT 'Whether it would be the choice by this window alone' CODEC(ZSTD(1)) AFTER choice,
    ADD COLUMN IF NOT EXISTS warming Bool COMMENT 'Whether too little time was seen to hold anything against the raw choice' CODEC(ZSTD(1)) AFTER raw_choice,
    ADD COLUMN IF NOT EXISTS reason String COMMENT 'Why the choice is not the raw one, or why it has changed; empty otherwise' CODEC(ZSTD(1)) AFTER warming,
    ADD COLUMN IF NOT EXISTS p_best Float64 COMMENT 'Probability that no candidate with enough samples is cheaper' CODEC(ZSTD(1)) AFTER high_ms,
    ADD COLUMN IF NOT EXISTS regret_ms Float64 COMMENT 'What choosing it costs over the best on average, milliseconds' CODEC(ZSTD(1)) AFTER p_best,
    ADD COLUMN IF NOT EXISTS doubt String COMMENT 'Why the data can not tell it from the first of its rank; empty when they can' CODEC(ZSTD(1)) AFTER regret_ms,
    ADD COLUMN IF NOT EXISTS digest String COMMENT 'SHA-256 of the ranking as it was published, hex digits: what is computed again from the inputs has the same; on the first row of each ranking only' CODEC(ZSTD(1)) AFTER inputs,
    COMMENT COLUMN rank 'Place by this window alone, from 1; candidates that the data can not tell apart share one';

CREATE OR REPLACE VIEW ranking_history
(
    at DateTime64(3, 'UTC') COMMENT 'When the ranking was computed',
    app LowCardinality(String) COMMENT 'App ranked',
    active LowCardinality(String) COMMENT 'Region assumed to carry the traffic, and to be lost',
    place UInt16 COMMENT 'Place in the published order, from 1: what a failover goes by',
    rank UInt16 COMMENT 'Place by this window alone, from 1; candidates that the data can not tell apart share one',
    candidate String COMMENT 'Candidate, as region/variant',
    choice Bool COMMENT 'Whether it is the published choice, where traffic would go',
    raw_choice Bool COMMENT 'Whether it would be the choice by this window alone',
    warming Bool COMMENT 'Whether too little time was seen to hold anything against the raw choice',
    reason String COMMENT 'Why the choice is not the raw one, or why it has changed; empty otherwise',
    cost_ms Nullable(Float64) COMMENT 'Cost, milliseconds, at least this when censored; NULL without enough samples, as the next four',
    low_ms Nullable(Float64) COMMENT 'Lower end of its 95 % interval, milliseconds',
    high_ms Nullable(Float64) COMMENT 'Upper end of its 95 % interval, milliseconds',
    p_best Nullable(Float64) COMMENT 'Probability that no candidate with enough samples is cheaper',
    regret_ms Nullable(Float64) COMMENT 'What choosing it costs over the best on average, milliseconds',
    censored Bool COMMENT 'Whether the quantile lies among time-outs',
    doubt String COMMENT 'Why the data can not tell it from the first of its rank; empty when they can',
    running Bool COMMENT 'Whether the candidate has an endpoint',
    eligible Bool COMMENT 'Whether every gate passes',
    samples UInt64 COMMENT 'Samples in the window',
    failures UInt64 COMMENT 'Samples that did not end ok',
    topology LowCardinality(String) COMMENT 'Hash of the configuration'
)
SQL SECURITY INVOKER
AS SELECT
    at, app, active, place, rank, concat(region, '/', variant) AS candidate, choice, raw_choice, warming, reason,
    if(enough, r.cost_ms, NULL) AS cost_ms, if(enough, r.low_ms, NULL) AS low_ms, if(enough, r.high_ms, NULL) AS high_ms,
    if(enough, r.p_best, NULL) AS p_best, if(enough, r.regret_ms, NULL) AS regret_ms,
    censored, doubt, running, eligible, samples, failures, topology
FROM rankings AS r
COMMENT 'Every ranking, a row per candidate: the published order beside that of the window alone, with the reason where they differ, and how sure each cost is';
