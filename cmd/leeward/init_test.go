package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInitWritesAValidFileOnce(t *testing.T) {
	leeward := program(t)
	file := filepath.Join(t.TempDir(), "leeward.yaml")
	out, err := leeward("init", "--file", file, "--region", "name=frankfurt,registry=https://fra.example.com", "--region", "name=tokyo,registry=https://tok.example.com",
		"--app", "shop", "--variant", "slim,static", "--haproxy", "/run/haproxy.sock", "--git", "https://github.com/acme/shop.git#main", "--yes")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"leeward config validate " + file, "leeward up --file " + file} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	if out, err := leeward("config", "validate", file); err != nil || !strings.Contains(out, "2 regions, 2 vantages, 1 apps") {
		t.Errorf("%v: %s", err, out)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err = leeward("init", "--file", file, "--yes")
	if after, _ := os.ReadFile(file); err == nil || !strings.Contains(out, "is not written over") || string(after) != string(before) {
		t.Errorf("a second time: %v: %s", err, out)
	}
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink("/nowhere/at/all", link); err != nil {
		t.Fatal(err)
	}
	if out, err := leeward("init", "--file", link, "--yes"); err == nil || !strings.Contains(out, "is not written over") {
		t.Errorf("through a link: %v: %s", err, out)
	}
	other := filepath.Join(t.TempDir(), "other.yaml")
	if out, err := leeward("init", "--file", other, "--app", "My Shop"); err == nil || !strings.Contains(out, "is not a name") {
		t.Errorf("a bad name: %v: %s", err, out)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("a file was written although something was wrong")
	}
}
