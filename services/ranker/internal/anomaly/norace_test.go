//go:build !race

package anomaly_test

// racing says that the race detector makes everything several times slower.
const racing = false
