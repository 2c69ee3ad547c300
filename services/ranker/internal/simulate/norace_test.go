//go:build !race

package simulate_test

// racing says that the race detector makes everything several times slower.
const racing = false
