package console

import (
	"errors"
	"net/http"
)

// fault is an error that a person can do something about: what happened, and what to do.
type fault struct {
	status       int
	title, words string
}

func (f fault) Error() string { return f.words }

func (c *Console) problem(w http.ResponseWriter, r *http.Request, err error) {
	var f fault
	if !errors.As(err, &f) {
		c.Log.Error().Err(err).Str("path", r.URL.Path).Msg("page failed")
		f = fault{http.StatusInternalServerError, "This page could not be drawn", "The gateway's log says why. The API answers without the console: /docs lists it."}
	}
	v := view{Name: "problem", Title: f.title, Body: f.words}
	if err := c.show(w, r, f.status, v); err != nil {
		http.Error(w, f.words, f.status)
	}
}

func (c *Console) missing(http.ResponseWriter, *http.Request) error {
	return fault{http.StatusNotFound, "There is no such page", "The pages of the console are in the bar above."}
}
