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
