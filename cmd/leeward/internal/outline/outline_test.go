package outline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/outline"
	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

func region(t *testing.T, text string) schemas.Region {
	t.Helper()
	r, err := outline.ParseRegion(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEveryCombinationIsAValidFile tries each choice of each group of fields with each of every other.
func TestEveryCombinationIsAValidFile(t *testing.T) {
	here, there := region(t, "name=tokyo,registry=http://10.0.0.1:5000"), region(t, "name=eu-1,registry=https://r.example.com,latitude=50.11,longitude=-8,jurisdiction=DE")
	third := region(t, "name=london,registry=https://london.example.com,jurisdiction=UK")
	choices := [][]func(*outline.Outline){
		{nil, func(o *outline.Outline) { o.Regions = []schemas.Region{here, there} }, func(o *outline.Outline) { o.Regions = []schemas.Region{here, there, third} }},
		{nil, func(o *outline.Outline) { o.Variants, o.Context = []string{"slim", "static"}, "deploy/app" }},
		{nil, func(o *outline.Outline) { o.App, o.Entry, o.Mode = "shop", "http://10.0.0.9:8000/healthz", "auto" }},
		{nil, func(o *outline.Outline) {
			o.Database, o.Endpoint = "env:SHOP_DATABASE_URL", "http://{variant}.{region}.example.com:8080/"
		}},
		{nil, func(o *outline.Outline) { o.Git = "https://github.com/acme/shop.git#main" }},
		{nil, func(o *outline.Outline) { o.Watch = "https://registry.example.com/base/node:20" }},
		{nil, func(o *outline.Outline) { o.HAProxy = "/run/haproxy.sock" }},
	}
	tried := 0
	var try func(n int, o outline.Outline)
	try = func(n int, o outline.Outline) {
		if n < len(choices) {
			for _, choose := range choices[n] {
				next := o
				if choose != nil {
					choose(&next)
				}
				try(n+1, next)
			}
			return
		}
		tried++
		data, err := o.Write("leeward.yaml")
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		topology, err := config.Parse("leeward.yaml", data)
		if err != nil {
			t.Fatalf("%+v:\n%s\n%v", o, data, err)
		}
		app := topology.Apps[0]
		if got, want := fmt.Sprint(app.Source.Git.Branch == "main", len(app.Source.Watch), len(app.Targets), app.Mode == "auto", app.Endpoints[0].Database), fmt.Sprint(o.Git != "", min(1, len(o.Watch)), min(1, len(o.HAProxy)), o.Mode == "auto", o.Database); got != want {
			t.Fatalf("%+v: got %s, want %s\n%s", o, got, want, data)
		}
		if strings.Count(string(data), "\n# ")+strings.Count(string(data), " # ") < 15 {
			t.Fatalf("it is not explained:\n%s", data)
		}
	}
	try(0, outline.Outline{})
	if tried != 3*64 {
		t.Errorf("%d combinations", tried)
	}
}

func TestWhatCanNotBecomeAFileIsRefusedWithItsReason(t *testing.T) {
	for want, o := range map[string]outline.Outline{
		"is not a name":                     {App: "My Shop"},
		"\"a\\nb: 1\" is not a name":        {App: "a\nb: 1"},
		"is not known":                      {Mode: "maybe"},
		"is not an http or https address":   {Entry: "shop.example.com"},
		"where the addresses differ":        {Endpoint: "https://shop.example.com"},
		"and {variant} when there are":      {Endpoint: "https://{region}.example.com", Variants: []string{"a", "b"}},
		"holds a literal secret":            {Database: "postgres://u:hunter2@db/shop"},
		"write REPOSITORY#BRANCH":           {Git: "https://github.com/acme/shop.git"},
		"is not a branch":                   {Git: "https://github.com/acme/shop.git#-x"},
		"write https://REGISTRY/REPOSITORY": {Watch: "node:20"},
		"leads out of it":                   {Watch: "https://r.example.com/node:20", Context: "../x"},
		"is not an absolute path":           {HAProxy: "haproxy.sock"},
	} {
		if data, err := o.Write("leeward.yaml"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v, want %q\n%s", o, err, want, data)
		}
	}
	for want, text := range map[string]string{
		"registry= is missing": "name=london", "is not known: add latitude": "name=atlantis,registry=https://r", "is not name=": "name=london,colour=red",
		"is not a number": "name=x,registry=https://r,latitude=north,longitude=1,jurisdiction=DE", "add jurisdiction=": "name=x,registry=https://r,latitude=1,longitude=1",
	} {
		if _, err := outline.ParseRegion(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestQuestionsEndInAFileWhateverIsAnswered(t *testing.T) {
	answers := map[string][]string{
		"Regions": {"name=london", "name=london,registry=https://a.example.com", "name=london,registry=https://a.example.com name=paris,registry=https://b.example.com"},
		"Name":    {"My Shop", "shop"}, "Variants": {"A", "slim static"}, "Where it": {"https://shop.example.com", "https://{variant}.{region}.example.com"},
		"Where users": {"nowhere", "https://shop.example.com"}, "Decide": {"perhaps", "auto"},
	}
	var o outline.Outline
	refused := 0
	for asked := 0; ; asked++ {
		q, more := o.Question()
		if !more {
			break
		}
		if asked > 20 {
			t.Fatalf("%q is asked without end", q.Text)
		}
		for begin, a := range answers {
			if strings.HasPrefix(q.Text, begin) {
				answers[begin] = a[1:]
				if q.Answer(a[0]) != nil {
					refused++
				}
			}
		}
	}
	data, err := o.Write("leeward.yaml")
	if err != nil || refused != 7 || !strings.Contains(string(data), "https://static.paris.example.com") {
		t.Errorf("%d answers refused, %v:\n%s", refused, err, data)
	}
	o = outline.Outline{}
	for q, more := o.Question(); more; q, more = o.Question() {
		if err := q.Answer(q.Default); err != nil {
			t.Fatalf("%s: the default is refused: %v", q.Text, err)
		}
	}
}
