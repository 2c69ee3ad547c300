-- Who may do what in ClickHouse. An administrator runs this before the first recorder starts, and again after every change of it; each statement may run again:
--
--   clickhouse-client --user admin --password --queries-file deploy/clickhouse/access.sql
--
-- Users are in users.sql. Three roles: the recorder writes and brings the schema up to date, the ranker reads samples, analysts read what is granted below, within limits.
-- In a cluster let <user_directories> name a <replicated> store, so that one server's users, roles and policies are everybody's; see cluster/README.md.

CREATE DATABASE IF NOT EXISTS leeward;

-- Limits. readonly = 1 fixes every setting that is not CHANGEABLE_IN_READONLY. `leeward sql` asks with readonly and cancel_http_readonly_queries_on_client_close,
-- which are refused unless they are what is in force already; drivers turn the deadline of their caller into max_execution_time.

CREATE SETTINGS PROFILE OR REPLACE leeward_analyst SETTINGS
    readonly = 1,
    cancel_http_readonly_queries_on_client_close = 1,
    max_execution_time = 60 MIN 1 MAX 300 CHANGEABLE_IN_READONLY,
    max_memory_usage = 4000000000,
    max_rows_to_read = 5000000000,
    max_result_rows = 10000000,
    max_threads = 4,
    priority = 10;

CREATE SETTINGS PROFILE OR REPLACE leeward_ranker SETTINGS
    max_memory_usage = 4000000000,
    max_rows_to_read = 5000000000,
    priority = 1;

-- A view reads as its DEFINER or as its INVOKER. Read as the recorder, who is the definer of every view, it would show all regions to everyone, past the
-- policies below; read as the invoker it shows what the asker may see of its tables. So no migration may say DEFINER of a view, and the default can not be changed.
-- Materialized views are none of this: they write as their definer into a table that has policies of its own.

CREATE SETTINGS PROFILE OR REPLACE leeward_recorder SETTINGS
    default_normal_view_sql_security = 'INVOKER' CONST;

-- Roles.

CREATE ROLE IF NOT EXISTS leeward_recorder;
CREATE ROLE IF NOT EXISTS leeward_ranker;
CREATE ROLE IF NOT EXISTS leeward_analyst;
ALTER ROLE leeward_recorder SETTINGS PROFILE 'leeward_recorder';
ALTER ROLE leeward_ranker SETTINGS PROFILE 'leeward_ranker';
ALTER ROLE leeward_analyst SETTINGS PROFILE 'leeward_analyst';

CREATE QUOTA OR REPLACE leeward_analyst KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 2000, read_rows = 50000000000, execution_time = 3600
    TO leeward_analyst;

-- The recorder. Its turns at the schema are tables schema_lock_N, the only ones it drops; views are replaced; migration 0003 clears build_stages before it fills it;
-- and before it sends a block again it looks whether the first try is still under way.

GRANT SELECT, INSERT, ALTER TABLE, CREATE TABLE, CREATE VIEW ON leeward.* TO leeward_recorder;
GRANT DROP VIEW ON leeward.* TO leeward_recorder;
GRANT DROP TABLE ON leeward.schema_lock_* TO leeward_recorder;
GRANT TRUNCATE ON leeward.build_stages TO leeward_recorder;
GRANT SELECT ON system.processes TO leeward_recorder;

GRANT SELECT ON leeward.samples TO leeward_ranker;
GRANT SELECT ON leeward.samples_1m TO leeward_ranker;

-- Analysts. leeward_analyst is what they have in common; alone it shows no row that belongs to a region. A role of a jurisdiction adds the rows of its regions.

GRANT SELECT ON leeward.samples TO leeward_analyst;
GRANT SELECT ON leeward.samples_1m TO leeward_analyst;
GRANT SELECT ON leeward.samples_1h TO leeward_analyst;
GRANT SELECT ON leeward.quarantine TO leeward_analyst;
GRANT SELECT ON leeward.builds TO leeward_analyst;
GRANT SELECT ON leeward.build_stages TO leeward_analyst;
GRANT SELECT ON leeward.image_benchmarks TO leeward_analyst;
GRANT SELECT ON leeward.decisions TO leeward_analyst;
GRANT SELECT ON leeward.drills TO leeward_analyst;
GRANT SELECT ON leeward.latency_by_region TO leeward_analyst;
GRANT SELECT ON leeward.latency_by_variant TO leeward_analyst;
GRANT SELECT ON leeward.failover_readiness TO leeward_analyst;
GRANT SELECT ON leeward.ranking_history TO leeward_analyst;
GRANT SELECT ON leeward.build_stages_slowest TO leeward_analyst;
GRANT SELECT ON leeward.availability TO leeward_analyst;
GRANT SELECT ON leeward.drill_reports TO leeward_analyst;
GRANT SELECT ON leeward.data_quality TO leeward_analyst;

-- All but `inputs`, in which one row holds the figures of every region, and their digest. `reason` and `doubt` name the candidate that another is compared with.
GRANT SELECT(at, app, active, place, rank, region, variant, choice, raw_choice, warming, reason, running, eligible, enough, censored, cost_ms, low_ms, high_ms,
    serve_ms, p_best, regret_ms, doubt, samples, failures, `gates.name`, `gates.result`, `gates.evidence`, quantile, window_seconds, topology, stream_sequence) ON leeward.rankings TO leeward_analyst;

CREATE ROLE IF NOT EXISTS leeward_analyst_de;
CREATE ROLE IF NOT EXISTS leeward_analyst_gb;
CREATE ROLE IF NOT EXISTS leeward_analyst_all;
GRANT leeward_analyst TO leeward_analyst_de, leeward_analyst_gb, leeward_analyst_all;

-- What is not divided by regions: whole events, decisions with how they ended and anomalies, which events tell, and whole rankings.
GRANT SELECT ON leeward.events TO leeward_analyst_all;
GRANT SELECT ON leeward.decision_log TO leeward_analyst_all;
GRANT SELECT ON leeward.anomalies TO leeward_analyst_all;
GRANT SELECT ON leeward.rankings TO leeward_analyst_all;

-- Rows belong to the region they measure: `region`, of a drill the region it moved to. Policies add up: a user sees what one of the roles shows, and each role
-- that reads needs one, because a server may be set to show nothing to the others. A jurisdiction's list names its regions as leeward.yaml does; a region that
-- is missing here is seen by nobody but leeward_analyst_all.

CREATE ROW POLICY OR REPLACE leeward_everything
    ON leeward.samples, leeward.samples_1m, leeward.samples_1h, leeward.quarantine, leeward.image_benchmarks, leeward.rankings, leeward.decisions, leeward.drills
    USING 1 TO leeward_recorder, leeward_ranker, leeward_analyst_all;

CREATE ROW POLICY OR REPLACE leeward_nothing
    ON leeward.samples, leeward.samples_1m, leeward.samples_1h, leeward.quarantine, leeward.image_benchmarks, leeward.rankings, leeward.decisions, leeward.drills
    USING 0 TO leeward_analyst;

CREATE ROW POLICY OR REPLACE leeward_de
    ON leeward.samples, leeward.samples_1m, leeward.samples_1h, leeward.quarantine, leeward.image_benchmarks, leeward.rankings, leeward.decisions
    USING region IN ('frankfurt') TO leeward_analyst_de;

CREATE ROW POLICY OR REPLACE leeward_de_drills ON leeward.drills USING to_region IN ('frankfurt') TO leeward_analyst_de;

CREATE ROW POLICY OR REPLACE leeward_gb
    ON leeward.samples, leeward.samples_1m, leeward.samples_1h, leeward.quarantine, leeward.image_benchmarks, leeward.rankings, leeward.decisions
    USING region IN ('london') TO leeward_analyst_gb;

CREATE ROW POLICY OR REPLACE leeward_gb_drills ON leeward.drills USING to_region IN ('london') TO leeward_analyst_gb;
