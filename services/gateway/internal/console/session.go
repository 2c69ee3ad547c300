package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// session is a person who has signed in. Sessions are in memory: a gateway that starts anew knows none.
type session struct {
	// Actor is who the person said they are; it is kept with every decision.
	Actor string
	// Proof is what a form of this session carries, so that no other page can fill one in.
	Proof   string
	expires time.Time
}

const (
	cookie = "leeward_session"
	// life is how long a session lasts without being used, and manySessions how many there are before the one that ends first makes room.
	life         = 8 * time.Hour
	manySessions = 1000
	// longestForm is how many bytes a form may have.
	longestForm = 64 << 10
)

type sessions struct {
	mu    sync.Mutex
	known map[string]session
}

// open starts a session and returns its id.
func (s *sessions) open(actor string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	oldest := ""
	for id, one := range s.known {
		if one.expires.Before(now) {
			delete(s.known, id)
		} else if oldest == "" || one.expires.Before(s.known[oldest].expires) {
			oldest = id
		}
	}
	if len(s.known) >= manySessions {
		delete(s.known, oldest)
	}
	id := rand.Text()
	s.known[id] = session{Actor: actor, Proof: rand.Text(), expires: now.Add(life)}
	return id
}

// of returns the session a request belongs to, and lets it last.
func (s *sessions) of(r *http.Request) (session, bool) {
	sent, err := r.Cookie(cookie)
	if err != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.known[sent.Value]
	if !ok || one.expires.Before(time.Now()) {
		return session{}, false
	}
	one.expires = time.Now().Add(life)
	s.known[sent.Value] = one
	return one, true
}

func (s *sessions) close(r *http.Request) {
	if sent, err := r.Cookie(cookie); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.known, sent.Value)
	}
}

// form reads a form that was sent from a page of the console's own. A browser says where a form comes from; one that does not say is refused.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, longestForm)
	from, err := url.Parse(r.Header.Get("Origin"))
	own := err == nil && from.Host != "" && from.Host == r.Host
	if site := r.Header.Get("Sec-Fetch-Site"); !own || site != "" && site != "same-origin" {
		return fault{http.StatusForbidden, "That form did not come from this page", "Nothing was done. Open the console at its own address and send the form from there."}
	}
	if err := r.ParseForm(); err != nil {
		return fault{http.StatusBadRequest, "That form could not be read", "Nothing was done. Go back and send it again."}
	}
	return nil
}

// signed reads a form of a person who has signed in.
func (c *Console) signed(w http.ResponseWriter, r *http.Request) (session, error) {
	if err := form(w, r); err != nil {
		return session{}, err
	}
	one, ok := c.sessions.of(r)
	if !ok {
		return one, fault{http.StatusUnauthorized, "You are not signed in", "Nothing was done. Sign in and send the form again; a gateway that was restarted has forgotten who was signed in."}
	}
	if subtle.ConstantTimeCompare([]byte(one.Proof), []byte(r.PostForm.Get("proof"))) != 1 {
		return one, fault{http.StatusForbidden, "That form is not of your session", "Nothing was done. Open the page again and send the form from there."}
	}
	return one, nil
}

// loginBody is what the page to sign in shows.
type loginBody struct {
	Next, Actor, Problem string
	// Closed says that the gateway has no token, so that nobody can sign in.
	Closed bool
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) error {
	return c.show(w, r, http.StatusOK, view{Name: "login", Title: "Sign in", Body: loginBody{Next: local(r.URL.Query().Get("next")), Closed: c.Token == ""}})
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	b := loginBody{Next: local(r.PostForm.Get("next")), Actor: strings.TrimSpace(r.PostForm.Get("actor")), Closed: c.Token == ""}
	want, got := sha256.Sum256([]byte(c.Token)), sha256.Sum256([]byte(strings.TrimSpace(r.PostForm.Get("token"))))
	switch {
	case b.Closed || subtle.ConstantTimeCompare(want[:], got[:]) != 1:
		b.Problem = "That is not the API's token."
	case b.Actor == "" || len(b.Actor) > 100:
		b.Problem = "Say who you are, in at most 100 characters: it is kept with every decision."
	}
	if b.Problem != "" {
		return c.show(w, r, http.StatusUnauthorized, view{Name: "login", Title: "Sign in", Body: b})
	}
	c.sessions.close(r)
	setCookie(w, r, c.sessions.open(b.Actor), 0)
	http.Redirect(w, r, b.Next, http.StatusSeeOther)
	return nil
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.signed(w, r); err != nil {
		return err
	}
	c.sessions.close(r)
	setCookie(w, r, "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// setCookie has the browser keep a session's id out of the reach of scripts and of other sites' requests; an age below 0 has it forgotten.
func setCookie(w http.ResponseWriter, r *http.Request, id string, maxAge int) {
	//nolint:gosec // On loopback the API speaks plain HTTP, and a browser would not send a cookie back that is for TLS only.
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: id, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
}

// local keeps a place to go on to within the console.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/ui/") || strings.ContainsAny(path, "\\\r\n") {
		return "/"
	}
	return path
}
