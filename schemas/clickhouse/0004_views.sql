-- Views for analysts: finished columns, milliseconds, no aggregate states. They are read with the reader's own rights, so that a row policy on a table holds for its views.

ALTER TABLE samples COMMENT COLUMN kind 'icmp, tcp, http, db_read, db_write or db_lag; bench was imported from load generators';

CREATE OR REPLACE VIEW latency_by_region
(
    hour DateTime('UTC') COMMENT 'Start of the hour the samples were due in',
    app LowCardinality(String) COMMENT 'App measured',
    region LowCardinality(String) COMMENT 'Region measured',
    kind LowCardinality(String) COMMENT 'icmp, tcp, http, db_read, db_write or db_lag; bench was imported from load generators',
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
    kind LowCardinality(String) COMMENT 'icmp, tcp, http, db_read, db_write or db_lag; bench was imported from load generators',
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

CREATE OR REPLACE VIEW failover_readiness
(
    app LowCardinality(String) COMMENT 'App',
    active LowCardinality(String) COMMENT 'Region assumed to carry the traffic, and to be lost',
    rank UInt16 COMMENT 'Place of the candidate, from 1; ties share a place',
    region LowCardinality(String) COMMENT 'Candidate''s region',
    variant LowCardinality(String) COMMENT 'Candidate''s variant',
    ready Bool COMMENT 'Whether traffic could move there: it runs, every gate passes, and there were enough samples to say so',
    running Bool COMMENT 'Whether the candidate has an endpoint',
    eligible Bool COMMENT 'Whether every gate passes',
    enough Bool COMMENT 'Whether there were enough samples for the quantile',
    blocked_by Array(String) COMMENT 'Each gate that does not pass, with its evidence',
    cost_ms Float64 COMMENT 'Cost, milliseconds; at least this when censored',
    low_ms Float64 COMMENT 'Lower end of the 95 % interval, milliseconds',
    high_ms Float64 COMMENT 'Upper end of the 95 % interval, milliseconds',
    censored Bool COMMENT 'Whether the quantile lies among time-outs',
    at DateTime64(3, 'UTC') COMMENT 'When the ranking was computed',
    age_seconds Float64 COMMENT 'Seconds since then',
    last_drill Nullable(DateTime64(3, 'UTC')) COMMENT 'When the newest drill that moved the app to this candidate ended; NULL when there was none',
    last_drill_passed Nullable(Bool) COMMENT 'Whether it passed',
    last_drill_seconds Nullable(Float64) COMMENT 'Seconds it took from the decision to the first request there'
)
SQL SECURITY INVOKER
AS SELECT
    r.app, r.active, r.rank, r.region, r.variant, r.running AND r.eligible AND r.enough AS ready, r.running, r.eligible, r.enough,
    arrayMap(g -> concat(g.1, ': ', g.3), arrayFilter(g -> g.2 != 'pass', arrayZip(r.gates.name, r.gates.result, r.gates.evidence))) AS blocked_by,
    r.cost_ms, r.low_ms, r.high_ms, r.censored, r.at, dateDiff('millisecond', r.at, now64(3)) / 1000 AS age_seconds,
    d.last_drill, d.last_drill_passed, d.last_drill_seconds
FROM rankings AS r
LEFT JOIN
(
    SELECT
        app, to_region, to_variant,
        toNullable(max(drills.at)) AS last_drill, toNullable(argMax(passed, drills.at)) AS last_drill_passed, toNullable(argMax(shift_seconds, drills.at)) AS last_drill_seconds
    FROM drills
    GROUP BY app, to_region, to_variant
) AS d ON d.app = r.app AND d.to_region = r.region AND d.to_variant = r.variant
WHERE r.at > now() - INTERVAL 1 DAY AND (r.app, r.active, r.at) IN (SELECT app, active, max(rankings.at) FROM rankings WHERE rankings.at > now() - INTERVAL 1 DAY GROUP BY app, active)
COMMENT 'The newest ranking of the last day for each possible active region: where the app could go, and what stands in the way';

CREATE OR REPLACE VIEW ranking_history
(
    at DateTime64(3, 'UTC') COMMENT 'When the ranking was computed',
    app LowCardinality(String) COMMENT 'App ranked',
    active LowCardinality(String) COMMENT 'Region assumed to carry the traffic',
    best LowCardinality(String) COMMENT 'First eligible candidate, as region/variant; empty when there was none',
    best_cost_ms Nullable(Float64) COMMENT 'Its cost, milliseconds',
    best_low_ms Nullable(Float64) COMMENT 'Lower end of its 95 % interval, milliseconds',
    best_high_ms Nullable(Float64) COMMENT 'Upper end of its 95 % interval, milliseconds',
    tied UInt16 COMMENT 'Eligible candidates that share its place, itself included',
    eligible UInt16 COMMENT 'Eligible candidates',
    candidates UInt16 COMMENT 'All candidates',
    order Array(String) COMMENT 'Every candidate from first to last place, as region/variant',
    topology LowCardinality(String) COMMENT 'Hash of the configuration'
)
SQL SECURITY INVOKER
AS SELECT
    at, app, active,
    if(empty(able), '', able[1].2) AS best, if(empty(able), NULL, able[1].3) AS best_cost_ms, if(empty(able), NULL, able[1].4) AS best_low_ms, if(empty(able), NULL, able[1].5) AS best_high_ms,
    arrayCount(c -> c.1 = able[1].1, able) AS tied, length(able) AS eligible, length(sorted) AS candidates, sorted.2 AS order, topology
FROM
(
    SELECT
        at, app, active, any(r.topology) AS topology,
        arraySort(groupArray((r.rank, concat(r.region, '/', r.variant), r.cost_ms, r.low_ms, r.high_ms, r.eligible))) AS sorted,
        arrayFilter(c -> c.6, sorted) AS able
    FROM rankings AS r
    GROUP BY at, app, active
)
COMMENT 'Every ranking as one row: who was first, how sure, and the whole order';

CREATE OR REPLACE VIEW decision_log
(
    at DateTime64(3, 'UTC') COMMENT 'When the decision was made',
    app LowCardinality(String) COMMENT 'App decided about',
    plan String COMMENT 'Plan',
    incident String COMMENT 'Incident that asked for a decision',
    trigger LowCardinality(String) COMMENT 'alert, verdicts or request',
    actor String COMMENT 'Who asked, for requests',
    decision LowCardinality(String) COMMENT 'planned or refused',
    reason String COMMENT 'Why, in words',
    from_region LowCardinality(String) COMMENT 'Region left',
    from_variant LowCardinality(String) COMMENT 'Variant left',
    to_region LowCardinality(String) COMMENT 'Region chosen, empty for a refusal',
    to_variant LowCardinality(String) COMMENT 'Variant chosen, empty for a refusal',
    cost_ms Nullable(Float64) COMMENT 'Cost of the chosen candidate in the ranking used, milliseconds',
    candidates UInt16 COMMENT 'Candidates weighed',
    eligible UInt16 COMMENT 'Candidates whose every gate passed',
    turned_down Array(String) COMMENT 'Each gate that a candidate did not pass, as region/variant gate: evidence',
    outcome LowCardinality(String) COMMENT 'finished, rolled_back or failed; empty while it runs and for a refusal',
    detection_seconds Nullable(Float64) COMMENT 'Seconds from the first sign, an alert or a vantage that says down, to the decision',
    shift_seconds Nullable(Float64) COMMENT 'Seconds from the decision to the traffic shifted and seen in the new region',
    ended Nullable(DateTime64(3, 'UTC')) COMMENT 'When the failover ended'
)
SQL SECURITY INVOKER
AS SELECT
    d.at, d.app, d.plan, d.incident, d.trigger, d.actor, d.decision, d.reason, d.from_region, d.from_variant, d.to_region, d.to_variant, d.cost_ms, d.candidates, d.eligible, d.turned_down,
    f.outcome, f.detection_seconds, f.shift_seconds, f.ended
FROM
(
    SELECT
        at, app, plan, any(c.incident) AS incident, any(c.trigger) AS trigger, any(c.actor) AS actor, any(c.state) AS decision, any(c.reason) AS reason,
        any(c.from_region) AS from_region, any(c.from_variant) AS from_variant,
        anyIf(c.region, c.chosen) AS to_region, anyIf(c.variant, c.chosen) AS to_variant, if(countIf(c.chosen) = 0, NULL, anyIf(c.cost_ms, c.chosen)) AS cost_ms,
        countIf(c.region != '') AS candidates, countIf(c.eligible) AS eligible,
        arraySort(arrayFlatten(groupArray(arrayMap(
            g -> concat(c.region, '/', c.variant, ' ', g.1, ': ', g.3),
            arrayFilter(g -> g.2 != 'pass', arrayZip(c.gates.name, c.gates.result, c.gates.evidence)))))) AS turned_down
    FROM decisions AS c
    GROUP BY at, app, plan
) AS d
LEFT JOIN
(
    SELECT
        app, plan, outcome,
        if(first_sign IS NULL OR planned IS NULL, NULL, dateDiff('millisecond', first_sign, planned) / 1000) AS detection_seconds,
        if(verified IS NULL OR planned IS NULL, NULL, dateDiff('millisecond', planned, verified) / 1000) AS shift_seconds,
        toNullable(e_at) AS ended
    FROM
    (
        SELECT
            app, JSONExtractString(e.payload, 'plan') AS plan, JSONExtractString(e.payload, 'state') AS outcome,
            parseDateTime64BestEffortOrNull(JSONExtractString(e.payload, 'times', 'planned_at'), 3, 'UTC') AS planned,
            parseDateTime64BestEffortOrNull(JSONExtractString(e.payload, 'times', 'verified_at'), 3, 'UTC') AS verified,
            arrayMin(arrayFilter(t -> t IS NOT NULL, [
                parseDateTime64BestEffortOrNull(JSONExtractString(e.payload, 'times', 'alert_at'), 3, 'UTC'),
                parseDateTime64BestEffortOrNull(JSONExtractString(e.payload, 'times', 'first_down_at'), 3, 'UTC')])) AS first_sign,
            parseDateTime64BestEffort(JSONExtractString(e.payload, 'at'), 3, 'UTC') AS e_at
        FROM events AS e
        WHERE type = 'leeward.failover.finished.v1'
    )
) AS f ON f.app = d.app AND f.plan = d.plan
COMMENT 'Every decision as one row: who asked, what was chosen, what was turned down and why, and how it ended';

CREATE OR REPLACE VIEW build_stages_slowest
(
    month Date COMMENT 'First day of the month the builds ended in',
    app LowCardinality(String) COMMENT 'App built',
    variant LowCardinality(String) COMMENT 'Variant built',
    stage LowCardinality(String) COMMENT 'Stage of the Dockerfile',
    builds UInt64 COMMENT 'Builds that ran the stage',
    total_seconds Float64 COMMENT 'Seconds the stage kept the builder busy, all builds together',
    p50_seconds Float64 COMMENT 'Median seconds of one build',
    p95_seconds Float64 COMMENT '95th percentile of the same',
    max_seconds Float64 COMMENT 'Longest',
    cached_percent Float64 COMMENT 'Steps that came from the cache, percent of all steps',
    last_finished DateTime64(3, 'UTC') COMMENT 'When the newest of the builds ended'
)
SQL SECURITY INVOKER
AS SELECT
    toStartOfMonth(finished) AS month, app, variant, stage,
    count() AS builds, round(sum(seconds), 3) AS total_seconds,
    round(quantileExact(0.5)(seconds), 3) AS p50_seconds, round(quantileExact(0.95)(seconds), 3) AS p95_seconds, round(max(seconds), 3) AS max_seconds,
    if(sum(steps) = 0, 0, round(100 * sum(cached_steps) / sum(steps), 1)) AS cached_percent, max(finished) AS last_finished
FROM build_stages
GROUP BY month, app, variant, stage
ORDER BY total_seconds DESC, app, variant, stage
COMMENT 'Where builds spend their time, by month, slowest first';

CREATE OR REPLACE VIEW availability
(
    month Date COMMENT 'First day of the month',
    app LowCardinality(String) COMMENT 'App',
    region LowCardinality(String) COMMENT 'Region',
    measured_minutes UInt64 COMMENT 'Minutes in which at least one vantage measured',
    up_minutes UInt64 COMMENT 'Of these, minutes in which at least half of the vantages saw the region up',
    down_minutes UInt64 COMMENT 'The other ones',
    up_percent Float64 COMMENT 'up_minutes, percent of measured_minutes',
    samples UInt64 COMMENT 'Samples that decide: HTTP where there is one, else TCP, else ICMP',
    failures UInt64 COMMENT 'Of these, samples that did not end ok',
    ok_percent Float64 COMMENT 'Samples that ended ok, percent',
    budget_minutes Float64 COMMENT 'Minutes that may be down at an objective of 99.9 % of the minutes measured',
    budget_left_minutes Float64 COMMENT 'What is left of that error budget; negative when it is overspent'
)
SQL SECURITY INVOKER
AS SELECT
    toStartOfMonth(minute) AS month, app, region,
    count() AS measured_minutes, countIf(up) AS up_minutes, measured_minutes - up_minutes AS down_minutes, round(100 * up_minutes / measured_minutes, 4) AS up_percent,
    sum(n) AS samples, sum(failed) AS failures, round(100 * (1 - failures / samples), 4) AS ok_percent,
    round(measured_minutes * 0.001, 3) AS budget_minutes, round(measured_minutes * 0.001 - down_minutes, 3) AS budget_left_minutes
FROM
(
    SELECT minute, app, region, sum(n) AS n, sum(failed) AS failed, countIf(sees_up) * 2 >= count() AS up
    FROM
    (
        SELECT minute, app, region, vantage, sum(decides.1) AS n, sum(decides.2) AS failed, max(decides.2 * 2 < decides.1) AS sees_up
        FROM
        (
            SELECT minute, app, region, vantage, variant, argMax((n, failed), fullness) AS decides
            FROM
            (
                SELECT minute, app, region, vantage, variant, indexOf(['icmp', 'tcp', 'http'], kind) AS fullness, sum(m.samples) AS n, sum(m.failures) AS failed
                FROM samples_1m AS m
                WHERE kind IN ('icmp', 'tcp', 'http')
                GROUP BY minute, app, region, vantage, variant, kind
            )
            GROUP BY minute, app, region, vantage, variant
        )
        GROUP BY minute, app, region, vantage
    )
    GROUP BY minute, app, region
)
GROUP BY month, app, region
COMMENT 'Up-time and error budget by month, app and region. A vantage sees a region up in a minute when more than half of the samples of at least one variant ended ok';

CREATE OR REPLACE VIEW drill_reports
(
    at DateTime64(3, 'UTC') COMMENT 'When the drill ended',
    app LowCardinality(String) COMMENT 'App that was moved',
    drill String COMMENT 'Drill',
    plan String COMMENT 'Plan that it carried out, as in decision_log',
    actor String COMMENT 'Who asked for it',
    from_region LowCardinality(String) COMMENT 'Region left',
    from_variant LowCardinality(String) COMMENT 'Variant left',
    to_region LowCardinality(String) COMMENT 'Region moved to',
    to_variant LowCardinality(String) COMMENT 'Variant moved to',
    passed Bool COMMENT 'Whether the drill reached what it was to show',
    reason String COMMENT 'Why it did not, in words',
    shift_seconds Float64 COMMENT 'Seconds from the decision to the first request in the new region',
    failed_requests UInt64 COMMENT 'Requests that failed meanwhile, as the vantages saw it',
    days_since_drill Nullable(Float64) COMMENT 'Days since the app''s drill before this one; NULL for its first'
)
SQL SECURITY INVOKER
AS SELECT
    at, app, drill, plan, actor, from_region, from_variant, to_region, to_variant, passed, reason, shift_seconds, failed_requests,
    if(row_number() OVER w = 1, NULL, round(dateDiff('second', lagInFrame(at) OVER w, at) / 86400, 2)) AS days_since_drill
FROM drills
WINDOW w AS (PARTITION BY app ORDER BY at, drill ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
COMMENT 'Every drill with its result, and how long the app had none';

CREATE OR REPLACE VIEW data_quality
(
    day Date COMMENT 'Day the first sample of each batch was due on; of batches that were quarantined whole the day the bus stored them',
    vantage LowCardinality(String) COMMENT 'Whose prober',
    batches UInt64 COMMENT 'Batches of which there are samples, quarantined ones included',
    samples UInt64 COMMENT 'Samples',
    missing_batches UInt64 COMMENT 'Batches that the prober counted before the last one of the day and of which nothing arrived: dropped when its disk was full, lost, or still on their way',
    silent_minutes UInt64 COMMENT 'Minutes between the day''s first and last sample in which none was due',
    duplicates UInt64 COMMENT 'Samples that are there more than once, counted without their first',
    late UInt64 COMMENT 'Samples that the bus stored more than 60 s after they were due, and that did not wait on the prober''s disk',
    spooled UInt64 COMMENT 'Samples that waited on the prober''s disk for a bus that was away',
    early UInt64 COMMENT 'Samples that were due after the bus stored them: the prober''s clock is ahead',
    worst_lateness_seconds Int32 COMMENT 'Longest time from due to stored, seconds',
    quarantined_late UInt64 COMMENT 'Samples kept apart because they were too old when they were stored',
    quarantined_early UInt64 COMMENT 'Samples kept apart because they were due too far in the future',
    starts UInt64 COMMENT 'Times the prober was started on the day'
)
SQL SECURITY INVOKER
AS SELECT
    day, vantage, sum(b.batches) AS batches, sum(b.rows) AS samples, sum(b.missing) AS missing_batches,
    if(empty(groupUniqArrayArray(b.minutes)), 0, dateDiff('minute', arrayMin(groupUniqArrayArray(b.minutes)), arrayMax(groupUniqArrayArray(b.minutes))) + 1 - length(groupUniqArrayArray(b.minutes))) AS silent_minutes,
    sum(b.duplicates) AS duplicates, sum(b.late) AS late, sum(b.spooled) AS spooled, sum(b.early) AS early, max(b.worst) AS worst_lateness_seconds,
    sum(b.quarantined_late) AS quarantined_late, sum(b.quarantined_early) AS quarantined_early, countIf(b.started) AS starts
FROM
(
    SELECT
        *,
        -- A batch is missing between two that are there, from one day to the next too, or before the first one since the prober's start.
        last_counter - if(row_number() OVER boots = 1, if(started, 0, first_counter - 1), lagInFrame(last_counter) OVER boots) - batches AS missing
    FROM
    (
        SELECT
            day, vantage, boot, count() AS batches, min(counter) AS first_counter, max(counter) AS last_counter, toDate(fromUnixTimestamp64Micro(boot, 'UTC')) = day AS started,
            sum(rows) AS rows, sum(duplicates) AS duplicates, sum(late) AS late, sum(spooled) AS spooled, sum(early) AS early, max(worst) AS worst,
            sum(quarantined_late) AS quarantined_late, sum(quarantined_early) AS quarantined_early, groupUniqArrayArray(minutes) AS minutes
        FROM
        (
            SELECT
                vantage, boot, counter, toDate(if(rows > 0, minIf(at, reason = ''), min(at))) AS day,
                countIf(reason = '') AS rows, rows - groupBitmapIf(batch_row, reason = '') AS duplicates,
                countIf(reason = '' AND stored_after_s > 60 AND NOT s.spooled) AS late, countIf(reason = '' AND s.spooled) AS spooled, countIf(stored_after_s < 0) AS early,
                max(stored_after_s) AS worst, countIf(reason = 'late') AS quarantined_late, countIf(reason = 'early') AS quarantined_early,
                groupUniqArrayIf(toStartOfMinute(at), reason = '') AS minutes
            FROM
            (
                SELECT vantage, boot, counter, batch_row, due AS at, stored_after_s, spooled, '' AS reason FROM samples WHERE kind != 'bench'
                UNION ALL
                SELECT vantage, boot, counter, batch_row, stored AS at, 0 AS stored_after_s, spooled, reason FROM quarantine WHERE kind != 'bench'
            ) AS s
            GROUP BY vantage, boot, counter
        )
        GROUP BY day, vantage, boot
    )
    WINDOW boots AS (PARTITION BY vantage, boot ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
) AS b
GROUP BY day, vantage
COMMENT 'What came of each prober by day: gaps, duplicates, late, spooled and quarantined samples. Reads every sample there is, whatever day is asked for';
