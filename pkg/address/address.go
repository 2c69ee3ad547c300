// Package address reads what the addresses of endpoints in leeward.yaml say, for those who check them and those who measure them. It talks to nobody.
package address

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// HostPort returns what is wrong with a host:port, or nil.
func HostPort(text string) error {
	host, port, err := net.SplitHostPort(text)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || host == "" || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not host:port", text)
	}
	return nil
}

// Question is a question to a name server.
type Question struct {
	// Server is the name server's host:port.
	Server string
	// Name is asked about, with a dot at its end.
	Name string
	// Type is the record type's name and Number its number.
	Type   string
	Number uint16
}

// types are the record types that can be asked for, with the numbers IANA gave them.
var types = map[string]uint16{
	"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35, "DS": 43, "DNSKEY": 48, "TLSA": 52,
	"SVCB": 64, "HTTPS": 65, "CAA": 257,
}

// DNS reads a question as RFC 4501 writes it: dns://server/name?type=A. The class, if any is given, is IN.
func DNS(text string) (Question, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "dns" || u.Hostname() == "" {
		return Question{}, fmt.Errorf("%q is not a question to a name server", text)
	}
	q := Question{Server: u.Host, Name: strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), ".") + ".", Type: "A"}
	if u.Port() == "" {
		q.Server = net.JoinHostPort(u.Hostname(), "53")
	}
	if err := HostPort(q.Server); err != nil {
		return Question{}, err
	}
	if len(q.Name) > 254 || slices.ContainsFunc(strings.Split(strings.TrimSuffix(q.Name, "."), "."), notLabel) {
		return Question{}, fmt.Errorf("%q is not a domain name", strings.TrimPrefix(u.Path, "/"))
	}
	for element := range strings.SplitSeq(u.RawQuery, ";") {
		switch name, value, _ := strings.Cut(element, "="); {
		case element == "", strings.EqualFold(name, "class") && strings.EqualFold(value, "IN"):
		case strings.EqualFold(name, "type"):
			q.Type = strings.ToUpper(value)
		default:
			return Question{}, fmt.Errorf("%q is not understood after the name", element)
		}
	}
	if q.Number = types[q.Type]; q.Number == 0 {
		return Question{}, fmt.Errorf("%q is none of the types %s", q.Type, strings.Join(slices.Sorted(maps.Keys(types)), ", "))
	}
	return q, nil
}

func notLabel(s string) bool { return s == "" || len(s) > 63 || strings.ContainsAny(s, " /") }

// Service is a gRPC service whose health can be asked for.
type Service struct {
	// Server is its host:port.
	Server string
	// Name is empty for the server as a whole.
	Name string
	TLS  bool
}

// GRPC reads grpc://host:port/service, or grpcs:// for a service behind TLS.
func GRPC(text string) (Service, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "grpc" && u.Scheme != "grpcs") || u.User != nil || u.RawQuery != "" || HostPort(u.Host) != nil {
		return Service{}, fmt.Errorf("%q is not the address of a gRPC service", text)
	}
	return Service{Server: u.Host, Name: strings.TrimPrefix(u.Path, "/"), TLS: u.Scheme == "grpcs"}, nil
}

// programName has no separator of paths in it, and no dot in front.
var programName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// Exec reads the name of a program and its arguments, split at spaces.
func Exec(text string) (program string, arguments []string, err error) {
	words := strings.Fields(text)
	if len(words) == 0 || !programName.MatchString(words[0]) {
		return "", nil, fmt.Errorf("%q does not begin with the name of a program: letters, digits, dot, dash, underscore", text)
	}
	return words[0], words[1:], nil
}

// OverTLS says whether a URL is asked over TLS.
func OverTLS(text string) bool { return strings.HasPrefix(text, "https://") }
