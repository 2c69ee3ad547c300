package hook

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// Events of GitHub, as the header X-GitHub-Event names them.
const (
	githubPing            = "ping"
	githubPush            = "push"
	githubPackage         = "package"
	githubRegistryPackage = "registry_package"
)

// payload is the JSON of a call: GitHub sends it as it is, or as a form's field, which is what a new webhook is set to.
func (c call) payload() ([]byte, error) {
	if !strings.HasPrefix(c.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return c.body, nil
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, malformed{err}
	}
	return []byte(form.Get("payload")), nil
}

// packageEvent is the part that matters of the events package, of a repository's webhook, and registry_package, of an organisation's or an app's.
type packageEvent struct {
	Action          string          `json:"action"`
	Package         *githubPackaged `json:"package"`
	RegistryPackage *githubPackaged `json:"registry_package"`
}

type githubPackaged struct {
	Name        string `json:"name"`
	PackageType string `json:"package_type"`
	Owner       struct {
		Login string `json:"login"`
	} `json:"owner"`
	Version struct {
		PackageURL string `json:"package_url"`
		Container  struct {
			Tag struct {
				Name string `json:"name"`
			} `json:"tag"`
		} `json:"container_metadata"`
	} `json:"package_version"`
}

var errNoPackage = errors.New("the body names no package")

// githubRegistry stores the push of a watched image to GitHub's registry. Manifests without a tag, such as those of single platforms, are ignored, and packages that are no images.
func (h Hooks) githubRegistry(ctx context.Context, c call) error {
	event := c.header.Get("X-GitHub-Event")
	if event != githubPackage && event != githubRegistryPackage {
		return h.ignore(c)
	}
	var e packageEvent
	if err := decodeCall(c, &e); err != nil {
		return err
	}
	p := e.Package
	if event == githubRegistryPackage {
		p = e.RegistryPackage
	}
	if p == nil || p.Name == "" {
		return malformed{errNoPackage}
	}
	kind := strings.ToLower(p.PackageType)
	tag := p.Version.Container.Tag.Name
	if e.Action != "published" && e.Action != "updated" || kind != "container" && kind != "docker" || tag == "" {
		return h.ignore(c)
	}
	topology, err := h.Topology()
	if err != nil {
		return err
	}
	host, repository := p.image()
	return h.push(ctx, c, topology, imagePush{c.hash(), host, repository, tag})
}

// image is the registry and the name of a package's image. The registry knows names in lower case only, GitHub's events do not.
func (p githubPackaged) image() (host, repository string) {
	host, repository, ok := strings.Cut(p.Version.PackageURL, "/")
	if at := strings.LastIndex(repository, ":"); at > strings.LastIndex(repository, "/") {
		repository = repository[:at]
	}
	if !ok || host == "" || repository == "" {
		host, repository = "ghcr.io", p.Owner.Login+"/"+p.Name
	}
	return strings.ToLower(host), strings.ToLower(repository)
}

// pushEvent is the part that matters of the event push.
type pushEvent struct {
	Ref        string `json:"ref"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	Repository struct {
		FullName string `json:"full_name"`
		CloneURL string `json:"clone_url"`
	} `json:"repository"`
}

var errNoCommit = errors.New("the body names no branch's commit")

// githubSource stores the push of a branch that an app is built from, once per way in which the topology writes its repository.
func (h Hooks) githubSource(ctx context.Context, c call) error {
	if c.header.Get("X-GitHub-Event") != githubPush {
		return h.ignore(c)
	}
	var e pushEvent
	if err := decodeCall(c, &e); err != nil {
		return err
	}
	branch, isBranch := strings.CutPrefix(e.Ref, "refs/heads/")
	switch {
	case e.Ref == "" || !schemas.ValidCommit(e.After):
		return malformed{errNoCommit}
	case !isBranch || e.Deleted || strings.Trim(e.After, "0") == "":
		return h.ignore(c)
	}
	topology, err := h.Topology()
	if err != nil {
		return err
	}
	repository, ok := builtFrom(topology, e.Repository.CloneURL, branch)
	if !ok {
		return h.ignore(c)
	}
	if err := h.SourcePushed(ctx, schemas.SourcePushed{
		Source: c.source, Delivery: c.delivery(), Repository: repository, Branch: branch, Commit: e.After,
		Verified: c.verified, BodySHA256: c.hash(), At: c.at,
	}); err != nil {
		return err
	}
	h.count(c, "stored")
	return nil
}

// builtFrom finds the repository, as the topology writes it, whose branch an app is built from. The topology's address is used from here on, never the sender's.
func builtFrom(t schemas.Topology, cloneURL, branch string) (repository string, ok bool) {
	for _, a := range t.Apps {
		if g := a.Source.Git; g.Repository != "" && g.Branch == branch && plainAddress(g.Repository) == plainAddress(cloneURL) {
			return g.Repository, true
		}
	}
	return "", false
}

// plainAddress is what all ways to write a repository's address have in common.
func plainAddress(repository string) string {
	_, rest, _ := strings.Cut(repository, "://")
	return strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(rest, "/"), ".git"))
}

// delivery is GitHub's id of a call, for people: it is not signed.
func (c call) delivery() string {
	if id := c.header.Get("X-GitHub-Delivery"); id != "" {
		return id
	}
	return c.hash()
}

func decodeCall(c call, v any) error {
	body, err := c.payload()
	if err != nil {
		return err
	}
	return decode(body, v)
}

// ignore accepts what does not concern us: a ping, a tag, another event.
func (h Hooks) ignore(c call) error {
	h.count(c, "ignored")
	return nil
}
