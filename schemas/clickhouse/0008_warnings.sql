-- What a ranking left out.

ALTER TABLE rankings
    ADD COLUMN IF NOT EXISTS warnings Array(String) COMMENT 'What is wrong with the measurements or the topology, and was left out of the costs; on the first row of each ranking only' CODEC(ZSTD(1)) AFTER digest;
