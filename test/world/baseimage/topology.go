package baseimage

import (
	"context"
	"regexp"
	"strings"
)

var versionArgument = regexp.MustCompile(`\b(NODE|NGINX|GO)_VERSION: ([0-9.]+[0-9])`)

// Topology is a leeward.yaml that names other versions of the base images than this machine has, with those that it has.
func Topology(ctx context.Context, folder, text string) (string, error) {
	r, err := gather(ctx, folder)
	if err != nil {
		return "", err
	}
	ours := map[string]string{"NODE": r.versions.node, "NGINX": r.versions.nginx, "GO": r.versions.golang}
	for _, named := range versionArgument.FindAllStringSubmatch(text, -1) {
		text = strings.ReplaceAll(text, named[2], ours[named[1]])
	}
	return text, nil
}
