// Package prepare makes in a database what probers need there: a place for heartbeats, and a role of Leeward's own that may read and write them and nothing else.
package prepare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/services/prober/internal/database"
)

// Order says what to prepare.
type Order struct {
	// URL is the database, as its administrator connects to it.
	URL string
	// Role is who the probers will be, with Password.
	Role, Password string
}

// engine is what one kind of database needs.
type engine interface {
	// statements make everything, any number of times, with secret in the place of the password.
	statements(role string) []string
	// fill puts a password, or what the server keeps of it, into a statement.
	fill(statement, password string) string
	// run runs statements as the administrator, and may warn of what comes of them.
	run(ctx context.Context, statements []string) (warning string, err error)
	// forget takes a vantage's heartbeat away.
	forget(ctx context.Context, vantage string) error
}

// secret stands for the password in what is shown.
const secret = "the-password"

// checker is the vantage whose heartbeat the check writes.
const checker = "leeward-db-prepare"

var (
	roleName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,31}$`)
	// printable spares a person the ways in which databases prepare other passwords.
	printable = regexp.MustCompile(`^[!-~]+$`)
)

// Print writes the statements, with the password left out.
func (o Order) Print(w io.Writer) error {
	e, err := o.engine()
	if err != nil {
		return err
	}
	for _, s := range e.statements(o.Role) {
		if _, err := fmt.Fprintln(w, s); err != nil {
			return err
		}
	}
	return nil
}

// Run makes everything, checks it as the role, and writes what it did.
func (o Order) Run(ctx context.Context, w io.Writer) error {
	e, err := o.engine()
	if err != nil {
		return err
	}
	if !printable.MatchString(o.Password) {
		return errors.New("the password is empty or has a space or a character that is not ASCII: make another, as openssl rand -hex 24 does")
	}
	statements := e.statements(o.Role)
	for i, s := range statements {
		statements[i] = e.fill(s, o.Password)
	}
	warning, err := e.run(ctx, statements)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "the role %s may log in, and read and write heartbeats\n%s", o.Role, warning); err != nil {
		return err
	}
	return o.check(ctx, e, w)
}

func (o Order) engine() (engine, error) {
	if !roleName.MatchString(o.Role) {
		return nil, fmt.Errorf("%q is not a role that every database takes: lower-case letters, digits and underscores, at most 32", o.Role)
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, database.ErrUnreadable
	}
	if u.User.Username() == o.Role {
		return nil, fmt.Errorf("%s is who the URL connects as: connect as an administrator, whose password stays as it is", o.Role)
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		return newPostgres(o.URL)
	case "mysql", "mariadb":
		return newMariaDB(o.URL)
	case "redis", "rediss":
		return newRedis(o.URL)
	}
	return nil, database.ErrNoEngine
}

// check reads and writes as the role, as probers do.
func (o Order) check(ctx context.Context, e engine, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	as := o.as(url.UserPassword(o.Role, o.Password))
	d := database.Pool{Vantage: checker, Dial: socks.Dialer{}.DialContext, Resolve: func(ref string) (string, error) { return ref, nil }}
	defer d.Close(ctx)
	read := d.Fresh(ctx, as)
	if read.Err != nil {
		return fmt.Errorf("everything is made, but a read as %s fails: %w", o.Role, read.Err)
	}
	if strings.HasPrefix(read.Server, "replica-") {
		_, err := fmt.Fprintf(w, "checked: %s answers %s; it is a replica, and heartbeats are written to its primary: prepare that too\n", read.Server, o.Role)
		return err
	}
	write := d.Write(ctx, as)
	if write.Err != nil {
		return fmt.Errorf("everything is made, but a write as %s fails: %w", o.Role, write.Err)
	}
	if err := e.forget(ctx, checker); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "checked: %s answers %s; a read took %s, a write %s\nthe probers' URL, to be kept where a reference finds it: %s\n",
		read.Server, o.Role, read.FirstByte.Round(time.Microsecond), write.FirstByte.Round(time.Microsecond), o.as(url.UserPassword(o.Role, secret)))
	return err
}

// as is the URL with somebody else's login.
func (o Order) as(who *url.Userinfo) string {
	u, err := url.Parse(o.URL)
	if err != nil {
		return ""
	}
	u.User = who
	query := u.Query()
	query.Del("user")
	query.Del("password")
	u.RawQuery = query.Encode()
	return u.String()
}
