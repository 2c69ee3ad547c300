package gateway_test

import (
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/bustest"
	"github.com/leeward-failover/leeward/schemas"
)

func TestPushDuringAnAbsenceIsFoundOnceAtTheStart(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	l := newLedger(t, s)
	hub := newRegistry(t)
	pushes := func() (digests string) {
		for _, e := range all(l, schemas.ImagePushedTopic) {
			if e.Source != "reconcile" || e.Verified != "own" || e.Registry != strings.TrimPrefix(hub, "http://") {
				t.Errorf("stored %+v", e)
			}
			digests += e.Tag + "@" + e.Digest + " "
		}
		return digests
	}
	// Tags are compared in the order of the file: once the last one was published, the ones before were compared.
	g := start(t, s, nil)
	g.apply(topology(hub, "1", "2"))
	if err := g.stop(); err == nil {
		t.Error("Run ended without a reason")
	}
	want := "1@" + pushImage(t, hub, "1") + " 2@" + pushImage(t, hub, "2") + " "
	g = start(t, s, nil)
	g.await("both pushes", func() bool { return pushes() == want })
	_ = g.stop()

	want += "2@" + pushImage(t, hub, "2") + " "
	g = start(t, s, nil)
	g.await("the new push alone", func() bool { return pushes() == want })
}

func TestPushIsFoundOnceItsRegistryAnswers(t *testing.T) {
	t.Parallel()
	s := bustest.Start(t)
	g := start(t, s, nil)
	address := freeAddress(t)
	g.apply(topology("http://" + address))
	digest := pushImage(t, registryAt(t, address), "1")
	l := newLedger(t, s)
	g.await("the push", func() bool {
		pushes := all(l, schemas.ImagePushedTopic)
		return len(pushes) == 1 && pushes[0].Digest == digest
	})
}
