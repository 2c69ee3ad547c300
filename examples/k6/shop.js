// A little load on the shop through its entry point; README.md beside this file says how to run it.
// Whoever answers says so in a header, and the metric leeward_request keeps it, so that `leeward import k6` knows which region a request was about.
import http from 'k6/http';
import { check } from 'k6';
import { Trend } from 'k6/metrics';

const entry = __ENV.ENTRY || 'http://10.88.0.1:8000';
const answered = new Trend('leeward_request', true);

export const options = {
  vus: Number(__ENV.VUS || 4),
  duration: __ENV.DURATION || '10s',
  // A failover is felt by clients that have no connection yet, so every request makes its own.
  noConnectionReuse: true,
  thresholds: { checks: ['rate>0.99'] },
};

export default function () {
  const response = http.get(`${entry}/healthz`, { timeout: '5s' });
  check(response, { 'answered with 200': (r) => r.status === 200 });
  const instance = response.headers['X-Leeward-Instance'] || '';
  const [region, variant] = instance.split('/');
  const t = response.timings;
  answered.add(t.blocked + t.duration, {
    region: region || 'unknown', variant: variant || 'unknown', status: String(response.status), error_code: String(response.error_code || ''),
    connect: t.connecting.toFixed(3), tls: t.tls_handshaking.toFixed(3), send: t.sending.toFixed(3), wait: t.waiting.toFixed(3), receive: t.receiving.toFixed(3),
  });
}
