-- Users with the roles of access.sql; ada and grace are examples of analysts. A user must not have the name of a role.
-- The server is told the SHA-256 of a password, as a parameter: nothing here is a secret, nor in a log of queries, as long as passwords are long and random.
--
--   clickhouse-client --user admin --password --queries-file deploy/clickhouse/users.sql \
--     --param_recorder=$(printf %s "$RECORDER_PASSWORD" | sha256sum | cut -c-64) --param_ranker=… --param_ada=… --param_grace=…
--
-- Materialized views write as the user who made them: keep `recorder`, and change its password with ALTER USER.

CREATE USER IF NOT EXISTS recorder IDENTIFIED WITH sha256_hash BY {recorder:String} DEFAULT ROLE leeward_recorder;
CREATE USER IF NOT EXISTS ranker IDENTIFIED WITH sha256_hash BY {ranker:String} DEFAULT ROLE leeward_ranker;
CREATE USER IF NOT EXISTS ada IDENTIFIED WITH sha256_hash BY {ada:String} DEFAULT ROLE leeward_analyst_de;
CREATE USER IF NOT EXISTS grace IDENTIFIED WITH sha256_hash BY {grace:String} DEFAULT ROLE leeward_analyst_all;
GRANT leeward_recorder TO recorder;
GRANT leeward_ranker TO ranker;
GRANT leeward_analyst_de TO ada;
GRANT leeward_analyst_all TO grace;
