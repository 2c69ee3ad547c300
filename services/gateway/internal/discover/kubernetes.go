package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// sliceList is what of a list of EndpointSlices (discovery.k8s.io/v1) matters here.
type sliceList struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Continue string `json:"continue"`
	} `json:"metadata"`
	Items []endpointSlice `json:"items"`
}

type endpointSlice struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Endpoints []struct {
		Addresses  []string `json:"addresses"`
		Conditions struct {
			// Ready is to be taken for true where it is not known.
			Ready *bool `json:"ready"`
		} `json:"conditions"`
	} `json:"endpoints"`
	Ports []slicePort `json:"ports"`
}

type slicePort struct {
	Name string `json:"name"`
	Port int    `json:"port"`
}

// pages is how many pages of a list are read at most, 500 slices each.
const pages = 20

// kubernetes lists the service's EndpointSlices.
func (r Reader) kubernetes(ctx context.Context, d schemas.KubernetesDiscovery) (a Answer, err error) {
	query := url.Values{"labelSelector": {"kubernetes.io/service-name=" + d.Service}, "limit": {"500"}}
	base := strings.TrimSuffix(d.URL, "/") + "/apis/discovery.k8s.io/v1/namespaces/" + d.Namespace + "/endpointslices?"
	for range pages {
		data, err := r.get(ctx, base+query.Encode(), d.Token, d.CA)
		if err != nil {
			return Answer{}, err
		}
		var list sliceList
		if json.Unmarshal(data, &list) != nil || list.Kind != "EndpointSliceList" {
			return Answer{}, errors.New("it does not answer with an EndpointSliceList of discovery.k8s.io/v1")
		}
		for _, slice := range list.Items {
			a.slice(slice, d.Port)
		}
		if list.Metadata.Continue == "" {
			return a, nil
		}
		query.Set("continue", list.Metadata.Continue)
	}
	return Answer{}, fmt.Errorf("the service has more than %d EndpointSlices", pages*500)
}

// slice adds the ready endpoints of a slice.
func (a *Answer) slice(s endpointSlice, port string) {
	place := "EndpointSlice " + s.Metadata.Name
	if len(s.Endpoints) == 0 {
		return
	}
	at, err := choosePort(s.Ports, port)
	if err != nil {
		a.refuse(place, err.Error())
		return
	}
	for i, e := range s.Endpoints {
		if len(e.Addresses) == 0 || e.Conditions.Ready != nil && !*e.Conditions.Ready {
			continue
		}
		// The addresses of one endpoint are interchangeable: the API says to use the first.
		a.Targets = append(a.Targets, Target{net.JoinHostPort(e.Addresses[0], at), s.Metadata.Labels, fmt.Sprintf("%s.endpoints[%d]", place, i)})
	}
}

func choosePort(ports []slicePort, want string) (string, error) {
	var known []string
	for _, p := range ports {
		number := strconv.Itoa(p.Port)
		if want != "" && (want == p.Name || want == number) || want == "" && len(ports) == 1 {
			return number, nil
		}
		known = append(known, strings.TrimPrefix(p.Name+" "+number, " "))
	}
	if want == "" {
		return "", fmt.Errorf("has %d ports (%s): name one as port", len(ports), strings.Join(known, ", "))
	}
	return "", fmt.Errorf("has no port %s, but %s", want, strings.Join(known, ", "))
}
