module github.com/leeward-failover/leeward/schemas

go 1.26.8
