package advise

import "math"

// Drain is how long regions that traffic was moved away from were still asked. It is measured where a load went through the app's entry meanwhile.
type Drain struct {
	// Failovers are those that were measured, and Seconds is the slowest: from the shift until the last request was sent that the region left has answered.
	Failovers uint64  `json:"failovers"`
	Seconds   float64 `json:"seconds"`
	// TTLSeconds is the longest time to live of a DNS record with which a resolver sends clients to such a region no longer than was measured; 0 where nothing was.
	TTLSeconds uint64 `json:"ttl_seconds"`
}

func (q query) drain(d *Drain) error {
	if err := q.db.QueryRow(q.ctx, drains, q.args...).Scan(&d.Failovers, &d.Seconds); err != nil {
		return err
	}
	if d.Failovers > 0 {
		d.TTLSeconds = max(uint64(math.Ceil(d.Seconds)), 1)
	}
	return nil
}

// drains looks at what one import holds from ten seconds before a decision until the next, less what is of the move before. A load of which the region chosen answered
// nothing until then went through the entry; one that ended before the region left fell silent did not see the end of it.
// Failed requests say nothing: who imports them may have had to guess the region.
const drains = `
WITH
	failovers AS
	(
		SELECT
			JSONExtractString(payload, 'plan') AS plan, app, any(JSONExtractString(payload, 'state')) AS state,
			any(JSONExtractString(payload, 'from', 'region')) AS from_region, any(JSONExtractString(payload, 'to', 'region')) AS to_region,
			any(parseDateTime64BestEffort(JSONExtractString(payload, 'times', 'planned_at'), 3, 'UTC')) AS planned,
			any(parseDateTime64BestEffortOrZero(JSONExtractString(payload, 'times', 'shifted_at'), 3, 'UTC')) AS shifted,
			any(parseDateTime64BestEffort(JSONExtractString(payload, 'at'), 3, 'UTC')) AS ended
		FROM events WHERE type = 'leeward.failover.finished.v1' AND app = {app:String} AND stored >= {from:DateTime64(3, 'UTC')}
		GROUP BY app, plan
	),
	moves AS
	(
		SELECT *, lagInFrame(ended) OVER w AS before, leadInFrame(planned, 1, toDateTime64('2200-01-01 00:00:00', 3, 'UTC')) OVER w AS after
		FROM failovers WINDOW w AS (ORDER BY planned ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
	),
	answered AS
	(
		SELECT app, boot, region, addMicroseconds(due, late_us) AS sent FROM samples
		WHERE app = {app:String} AND kind = 'bench' AND due >= {from:DateTime64(3, 'UTC')} AND outcome = 'ok'
	),
	loads AS
	(
		SELECT
			m.plan AS plan, any(m.planned) AS decided, any(m.shifted) AS moved,
			minIf(a.sent, a.region = m.from_region) AS first_left, maxIf(a.sent, a.region = m.from_region) AS last_left,
			minIf(a.sent, a.region = m.to_region) AS first_chosen, maxIf(a.sent, a.region = m.to_region) AS last_chosen
		FROM answered AS a JOIN moves AS m ON a.app = m.app
		WHERE m.state = 'finished' AND m.from_region != m.to_region AND a.sent > greatest(m.before, m.planned - INTERVAL 10 SECOND) AND a.sent < m.after
		GROUP BY m.plan, a.boot
		HAVING countIf(a.region = m.from_region) > 0 AND first_left < decided AND first_chosen >= decided AND last_chosen > last_left
	)
SELECT uniqExact(plan), greatest(max(dateDiff('millisecond', moved, last_left)), 0) / 1000 FROM loads`
