package buildkit

import (
	"context"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
)

// Commit is a folder of a git repository at one commit. The daemon fetches it.
type Commit struct {
	// Repository is its address, and Hash the commit.
	Repository, Hash string
	// Folder is the build context inside the repository, and Dockerfile the path inside that.
	Folder, Dockerfile string
	// Token opens a private repository; empty for a public one.
	Token string
}

// state is the folder as the daemon sees it.
func (c *Commit) state() llb.State { return llb.Git(c.Repository, c.Hash+":"+c.Folder) }

func (c *Commit) options(o *client.SolveOpt) {
	o.FrontendAttrs["filename"] = c.Dockerfile
	o.FrontendInputs = map[string]llb.State{"context": c.state(), "dockerfile": c.state()}
	if c.Token != "" {
		o.Session = append(o.Session, secretsprovider.FromMap(map[string][]byte{llb.GitAuthTokenKey: []byte(c.Token)}))
	}
}

// Dockerfile reads the Dockerfile of a commit.
func (e *Engine) Dockerfile(ctx context.Context, c *Commit) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	options := client.SolveOpt{FrontendAttrs: map[string]string{}}
	c.options(&options)
	var text []byte
	read := func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
		definition, err := c.state().Marshal(ctx)
		if err != nil {
			return nil, err
		}
		result, err := g.Solve(ctx, gateway.SolveRequest{Definition: definition.ToPB()})
		if err != nil {
			return nil, err
		}
		files, err := result.SingleRef()
		if err != nil {
			return nil, err
		}
		text, err = files.ReadFile(ctx, gateway.ReadRequest{Filename: c.Dockerfile})
		return gateway.NewResult(), err
	}
	if _, err := e.client.Build(limited, client.SolveOpt{Session: options.Session}, "", read, nil); err != nil {
		return nil, e.judge(ctx, limited, err)
	}
	return text, nil
}
