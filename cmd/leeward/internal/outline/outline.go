// Package outline makes a commented leeward.yaml from little: what a person says, and a default for the rest. What it writes is valid.
package outline

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/leeward-failover/leeward/pkg/config"
	"github.com/leeward-failover/leeward/schemas"
)

// Outline is what a file is made from. An empty field takes its default.
type Outline struct {
	Regions []schemas.Region
	App     string
	// Variants are stages of the Dockerfile.
	Variants []string
	// Endpoint and Entry are addresses; an endpoint holds {region} and {variant} where they differ.
	Endpoint, Entry string
	Mode            string
	// Database is a reference, Git is repository#branch, Watch is an image's address, HAProxy a socket.
	Database, Git, Watch, Context, HAProxy string
}

// Question is something a person may answer.
type Question struct {
	Text, Default string
	// Answer takes the answer, or says what is wrong with it.
	Answer func(string) error
}

// Question is the next one that the outline leaves open, in the order in which a person thinks.
func (o *Outline) Question() (Question, bool) {
	d := o.filled()
	into := func(field *string) func(string) error {
		return func(answer string) error {
			before := *field
			*field = answer
			if _, err := o.Write("leeward.yaml"); err != nil {
				*field = before
				return err
			}
			return nil
		}
	}
	switch {
	case len(o.Regions) == 0:
		return Question{"Regions that the app runs in, as name=NAME,registry=URL, a space between them", regionsText(d.Regions), func(answer string) error {
			var regions []schemas.Region
			for _, text := range strings.Fields(answer) {
				r, err := ParseRegion(text)
				if err != nil {
					return err
				}
				regions = append(regions, r)
			}
			if len(regions) < 2 {
				return errors.New("a failover needs two regions")
			}
			o.Regions = regions
			return nil
		}}, true
	case o.App == "":
		return Question{"Name of the app", d.App, into(&o.App)}, true
	case len(o.Variants) == 0:
		return Question{"Variants of it (stages of its Dockerfile), a space between them", strings.Join(d.Variants, " "), func(answer string) error {
			o.Variants = strings.Fields(answer)
			if _, err := o.Write("leeward.yaml"); err != nil || len(o.Variants) == 0 {
				o.Variants = nil
				return errors.Join(errors.New("names are lower-case letters, digits and inner hyphens"), err)
			}
			return nil
		}}, true
	case o.Endpoint == "":
		return Question{"Where it answers in each region", d.Endpoint, into(&o.Endpoint)}, true
	case o.Entry == "":
		return Question{"Where users' requests come in", d.Entry, into(&o.Entry)}, true
	case o.Mode == "":
		return Question{"Decide and record only (observe), or move traffic (auto)", d.Mode, into(&o.Mode)}, true
	}
	return Question{}, false
}

// filled is the outline with its defaults.
func (o *Outline) filled() Outline {
	f := *o
	if len(f.Regions) == 0 {
		for _, name := range []string{"frankfurt", "london"} {
			r := places[name]
			r.Name, r.Registry = name, "https://registry."+name+".example.com"
			f.Regions = append(f.Regions, r)
		}
	}
	if f.App == "" {
		f.App = "app"
	}
	if len(f.Variants) == 0 {
		f.Variants = []string{"main"}
	}
	if f.Endpoint == "" {
		f.Endpoint = "https://{region}." + f.App + ".example.com/healthz"
		if len(f.Variants) > 1 {
			f.Endpoint = "https://{variant}.{region}." + f.App + ".example.com/healthz"
		}
	}
	if f.Entry == "" {
		f.Entry = "https://" + f.App + ".example.com/healthz"
	}
	if f.Mode == "" {
		f.Mode = "observe"
	}
	if f.Context == "" {
		f.Context = "."
	}
	return f
}

func regionsText(regions []schemas.Region) string {
	var all []string
	for _, r := range regions {
		all = append(all, "name="+r.Name+",registry="+r.Registry)
	}
	return strings.Join(all, " ")
}

// ParseRegion reads name=…,registry=…, and latitude, longitude and jurisdiction for a place that is not known by its name.
func ParseRegion(text string) (schemas.Region, error) {
	values := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || !slices.Contains([]string{"name", "registry", "latitude", "longitude", "jurisdiction"}, key) {
			return schemas.Region{}, fmt.Errorf("%q is not name=, registry=, latitude=, longitude= or jurisdiction=", pair)
		}
		values[key] = value
	}
	r, known := places[values["name"]]
	r.Name, r.Registry = values["name"], values["registry"]
	if values["registry"] == "" {
		return r, errors.New("registry= is missing: every region has a registry of its own")
	}
	for _, number := range []struct {
		name string
		into *float64
	}{{"latitude", &r.Location.Latitude}, {"longitude", &r.Location.Longitude}} {
		if values[number.name] == "" {
			if !known {
				return r, fmt.Errorf("where %s is, is not known: add latitude=…,longitude=…,jurisdiction=…", r.Name)
			}
			continue
		}
		n, err := strconv.ParseFloat(values[number.name], 64)
		if err != nil {
			return r, fmt.Errorf("%s %q is not a number", number.name, values[number.name])
		}
		*number.into = n
	}
	if values["jurisdiction"] != "" {
		r.Jurisdiction = values["jurisdiction"]
	}
	if r.Jurisdiction == "" {
		return r, fmt.Errorf("under which law %s is, is not known: add jurisdiction=DE or the like", r.Name)
	}
	return r, nil
}

//go:embed leeward.yaml.tmpl
var text string

// page is what the template is filled with.
type page struct {
	Outline
	Quote        func(string) string
	Anchors      []string
	Branch       string
	Image        schemas.Watch
	Endpoints    []endpoint
	BuildsImages bool
	MinVantages  int
}

type endpoint struct{ Region, Variant, URL string }

// Write returns the file, or what is wrong with what it is to be made from.
func (o *Outline) Write(name string) ([]byte, error) {
	p := page{Outline: o.filled(), Quote: strconv.Quote}
	var err error
	if p.Image, err = image(p.Watch); err != nil {
		return nil, err
	}
	if p.Git != "" {
		var ok bool
		if p.Git, p.Branch, ok = strings.Cut(p.Git, "#"); !ok {
			return nil, fmt.Errorf("git %q: write REPOSITORY#BRANCH", p.Git)
		}
	}
	if !strings.Contains(p.Endpoint, "{region}") || len(p.Variants) > 1 && !strings.Contains(p.Endpoint, "{variant}") {
		return nil, fmt.Errorf("endpoint %q: write {region}, and {variant} when there are several, where the addresses differ", p.Endpoint)
	}
	p.BuildsImages = p.Git != "" || p.Watch != ""
	for _, r := range p.Regions {
		if anchor := anchorOf(r.Registry); anchor != "" {
			p.Anchors = append(p.Anchors, anchor)
		}
		for _, v := range p.Variants {
			address := strings.NewReplacer("{region}", r.Name, "{variant}", v).Replace(p.Endpoint)
			p.Endpoints = append(p.Endpoints, endpoint{r.Name, v, address})
		}
	}
	// One vantage per region: a quorum of two must be in reach with the lost region's own vantage gone.
	p.MinVantages = max(1, min(2, len(p.Regions)-1))
	var out bytes.Buffer
	if err := template.Must(template.New(name).Parse(text)).Execute(&out, p); err != nil {
		return nil, err
	}
	if _, err := config.Parse(name, out.Bytes()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// image reads https://registry/repository:tag.
func image(address string) (schemas.Watch, error) {
	if address == "" {
		return schemas.Watch{}, nil
	}
	u, err := url.Parse(address)
	repository, tag := "", ""
	if err == nil {
		path := strings.TrimPrefix(u.Path, "/")
		if at := strings.LastIndex(path, ":"); at > 0 {
			repository, tag = path[:at], path[at+1:]
		}
	}
	if err != nil || u.Host == "" || repository == "" || tag == "" {
		return schemas.Watch{}, fmt.Errorf("watch %q: write https://REGISTRY/REPOSITORY:TAG", address)
	}
	return schemas.Watch{Registry: u.Scheme + "://" + u.Host, Repository: repository, Tags: []string{tag}}, nil
}

// anchorOf is a registry's host:port: something that is there whether the app is or not.
func anchorOf(registry string) string {
	u, err := url.Parse(registry)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Hostname() + ":" + port
}
