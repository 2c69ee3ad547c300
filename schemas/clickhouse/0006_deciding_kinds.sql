-- Four more kinds of sample may decide whether a region is up.

CREATE OR REPLACE VIEW availability
(
    month Date COMMENT 'First day of the month',
    app LowCardinality(String) COMMENT 'App',
    region LowCardinality(String) COMMENT 'Region',
    measured_minutes UInt64 COMMENT 'Minutes in which at least one vantage measured',
    up_minutes UInt64 COMMENT 'Of these, minutes in which at least half of the vantages saw the region up',
    down_minutes UInt64 COMMENT 'The other ones',
    up_percent Float64 COMMENT 'up_minutes, percent of measured_minutes',
    samples UInt64 COMMENT 'Samples that decide: of HTTP, gRPC, the user''s own check, TCP, TLS and ICMP the first that there is',
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
                SELECT minute, app, region, vantage, variant, indexOf(['icmp', 'tls', 'tcp', 'exec', 'grpc', 'http'], kind) AS fullness, sum(m.samples) AS n, sum(m.failures) AS failed
                FROM samples_1m AS m
                WHERE kind IN ('icmp', 'tls', 'tcp', 'exec', 'grpc', 'http')
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
