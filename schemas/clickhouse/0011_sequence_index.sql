-- What was stored lately is found by the numbers of its messages.

ALTER TABLE samples ADD INDEX IF NOT EXISTS by_sequence stream_sequence TYPE minmax GRANULARITY 1;
