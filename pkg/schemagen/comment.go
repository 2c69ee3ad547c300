package schemagen

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// comments are the comments of the types and fields of package schemas, by Type or Type.Field.
type comments map[string]string

func readComments(folder string) (comments, error) {
	r := &jsonschema.Reflector{}
	if err := r.AddGoComments("", folder, jsonschema.WithFullComment()); err != nil {
		return nil, err
	}
	c := comments{}
	for name, text := range r.CommentMap {
		c[name[strings.LastIndex(name, "/")+1:]] = strings.Join(strings.Fields(text), " ")
	}
	return c, nil
}

// lookup returns the comment of a type, or of one of its fields.
func (c comments) lookup(t reflect.Type, field string) string {
	if field == "" {
		return c["schemas."+t.Name()]
	}
	return c["schemas."+t.Name()+"."+field]
}

// field returns the comment of a field, as a sentence about it; it fails when there is none, because then a user could only guess.
func (c comments) field(t reflect.Type, f reflect.StructField) (string, error) {
	text := c.lookup(t, f.Name)
	if text == "" {
		return "", fmt.Errorf("schemas.%s.%s has no comment", t.Name(), f.Name)
	}
	return text, nil
}
